package check

import (
	"net/netip"
	"os"
	"os/exec"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"porttrace/internal/event"
	"porttrace/internal/testutil"
)

// lab is a private namespace whose sockets live until the test ends.
type lab struct {
	t  testing.TB
	ns *testutil.NetNS
}

func newLab(t testing.TB, ports string) *lab {
	t.Helper()
	testutil.Need(t, os.Geteuid() == 0, "root, to make network namespaces")
	l := &lab{t, testutil.NewNetNS(t)}
	l.ns.Sysctl(t, "ipv4/ip_local_port_range", ports)
	l.ns.Sysctl(t, "ipv4/tcp_tw_reuse", "0") // or what waits is another's in a second
	l.inhabit()
	return l
}

// inhabit has a process live in the namespace, by which it is found.
func (l *lab) inhabit() {
	l.t.Helper()
	cmd := exec.Command("cat") // until its input ends
	in, err := cmd.StdinPipe()
	l.must(err)
	l.ns.Do(func() { err = cmd.Start() })
	l.must(err)
	l.t.Cleanup(func() {
		in.Close()
		if err := cmd.Wait(); err != nil {
			l.t.Errorf("cat: %v", err)
		}
	})
}

func (l *lab) must(err error) {
	l.t.Helper()
	if err != nil {
		l.t.Fatal(err)
	}
}

func sockaddr(at netip.AddrPort) (unix.Sockaddr, int) {
	if at.Addr().Is4() {
		return &unix.SockaddrInet4{Port: int(at.Port()), Addr: at.Addr().As4()}, unix.AF_INET
	}
	return &unix.SockaddrInet6{Port: int(at.Port()), Addr: at.Addr().As16()}, unix.AF_INET6
}

// local is where the kernel says a socket is.
func (l *lab) local(fd int) netip.AddrPort {
	l.t.Helper()
	sa, err := unix.Getsockname(fd)
	l.must(err)
	switch a := sa.(type) {
	case *unix.SockaddrInet4:
		return netip.AddrPortFrom(netip.AddrFrom4(a.Addr), uint16(a.Port))
	case *unix.SockaddrInet6:
		return netip.AddrPortFrom(netip.AddrFrom16(a.Addr).Unmap(), uint16(a.Port))
	}
	l.t.Fatalf("a socket at %v", sa)
	return netip.AddrPort{}
}

func (l *lab) socket(family, typ int) int {
	l.t.Helper()
	fd := -1
	var err error
	l.ns.Do(func() { fd, err = unix.Socket(family, typ|unix.SOCK_CLOEXEC, 0) })
	l.must(err)
	l.t.Cleanup(func() { unix.Close(fd) })
	return fd
}

func (l *lab) bound(typ int, at string) int {
	l.t.Helper()
	sa, family := sockaddr(netip.MustParseAddrPort(at))
	fd := l.socket(family, typ)
	l.must(unix.Bind(fd, sa))
	return fd
}

func (l *lab) listener(at string) int {
	l.t.Helper()
	fd := l.bound(unix.SOCK_STREAM, at)
	l.must(unix.Listen(fd, 4096))
	return fd
}

// connected returns a new socket that connect() gave its port.
func (l *lab) connected(typ int, to string) int {
	l.t.Helper()
	sa, family := sockaddr(netip.MustParseAddrPort(to))
	fd := l.socket(family, typ)
	l.must(unix.Connect(fd, sa))
	return fd
}

func (l *lab) accept(listener int) int {
	l.t.Helper()
	fd, _, err := unix.Accept4(listener, unix.SOCK_CLOEXEC)
	l.must(err)
	l.t.Cleanup(func() { unix.Close(fd) })
	return fd
}

// endsInTimeWait closes a connection, the near end first, so that it is the one to wait.
func (l *lab) endsInTimeWait(near, far int) {
	l.t.Helper()
	l.must(unix.Shutdown(near, unix.SHUT_WR))
	var b [1]byte
	_, err := unix.Read(far, b[:]) // the FIN is there
	l.must(err)
	l.must(unix.Shutdown(far, unix.SHUT_WR))
}

// look looks at the namespace with all pools told.
func (l *lab) look() *Result {
	l.t.Helper()
	r, err := Look(l.options())
	l.must(err)
	for _, err := range r.Errors {
		l.t.Error(err)
	}
	return r
}

func (l *lab) options() Options {
	return Options{
		Thresholds: Thresholds{Warn: 70, Crit: 90},
		Protos:     []event.Proto{event.TCP, event.UDP}, IPv4: true, IPv6: true,
		NetNS: l.ns.Inode,
	}
}

// settled looks once so many sockets are in TIME_WAIT, which ends what a test began.
func (l *lab) settled(waiting int) *Result {
	l.t.Helper()
	for deadline := time.Now().Add(30 * time.Second); ; time.Sleep(time.Millisecond) {
		n := 0
		for _, e := range l.ns.Table(l.t) {
			if e.State == event.TimeWait {
				n++
			}
		}
		if n == waiting {
			return l.look()
		}
		if time.Now().After(deadline) {
			l.t.Fatalf("%d sockets in TIME_WAIT, want %d", n, waiting)
		}
	}
}
