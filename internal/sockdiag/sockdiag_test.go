package sockdiag_test

import (
	"fmt"
	"net/netip"
	"os"
	"sort"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"porttrace/internal/event"
	"porttrace/internal/sockdiag"
	"porttrace/internal/testutil"
)

// lab is a private namespace whose sockets live until the test ends.
type lab struct {
	t  *testing.T
	ns *testutil.NetNS
}

func newLab(t *testing.T) *lab {
	t.Helper()
	testutil.Need(t, os.Geteuid() == 0, "root, to make network namespaces")
	return &lab{t, testutil.NewNetNS(t)}
}

func (l *lab) must(err error) {
	l.t.Helper()
	if err != nil {
		l.t.Fatal(err)
	}
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

func sockaddr(family int, addr string, port uint16) unix.Sockaddr {
	ip := netip.MustParseAddr(addr)
	if family == unix.AF_INET {
		return &unix.SockaddrInet4{Port: int(port), Addr: ip.As4()}
	}
	return &unix.SockaddrInet6{Port: int(port), Addr: ip.As16()}
}

func (l *lab) bound(family, typ int, addr string, port uint16) int {
	l.t.Helper()
	fd := l.socket(family, typ)
	l.must(unix.Bind(fd, sockaddr(family, addr, port)))
	return fd
}

func (l *lab) listener(family int, addr string, port uint16, backlog int) int {
	l.t.Helper()
	fd := l.bound(family, unix.SOCK_STREAM, addr, port)
	l.must(unix.Listen(fd, backlog))
	return fd
}

// pair returns both ends of a new connection.
func (l *lab) pair(family, srv int, addr string, port uint16) (client, server int) {
	l.t.Helper()
	client = l.socket(family, unix.SOCK_STREAM)
	l.must(unix.Connect(client, sockaddr(family, addr, port)))
	server, _, err := unix.Accept4(srv, unix.SOCK_CLOEXEC)
	l.must(err)
	l.t.Cleanup(func() { unix.Close(server) })
	return client, server
}

// deafen makes a socket drop all it receives.
func (l *lab) deafen(fd int) {
	l.t.Helper()
	drop := []unix.SockFilter{{Code: unix.BPF_RET | unix.BPF_K}}
	l.must(unix.SetsockoptSockFprog(fd, unix.SOL_SOCKET, unix.SO_ATTACH_FILTER, &unix.SockFprog{Len: 1, Filter: &drop[0]}))
}

// populate makes sockets in every state that lasts.
func (l *lab) populate(family int, addr string, port uint16) {
	l.t.Helper()
	srv := l.listener(family, addr, port, 100)
	l.pair(family, srv, addr, port) // ESTABLISHED
	client, _ := l.pair(family, srv, addr, port)
	l.must(unix.Shutdown(client, unix.SHUT_WR)) // FIN_WAIT2, CLOSE_WAIT
	client, server := l.pair(family, srv, addr, port)
	l.must(unix.Shutdown(client, unix.SHUT_WR)) // TIME_WAIT, nothing
	l.must(unix.Shutdown(server, unix.SHUT_WR))
	client, server = l.pair(family, srv, addr, port)
	l.deafen(server)
	l.must(unix.Shutdown(client, unix.SHUT_WR)) // FIN_WAIT1 to the other's CLOSING
	l.must(unix.Shutdown(server, unix.SHUT_WR))
	client, server = l.pair(family, srv, addr, port)
	l.must(unix.Shutdown(client, unix.SHUT_WR))
	l.deafen(client)
	l.must(unix.Shutdown(server, unix.SHUT_WR)) // LAST_ACK
	waiting := l.socket(family, unix.SOCK_STREAM|unix.SOCK_NONBLOCK)
	l.deafen(waiting) // SYN_SENT to a SYN_RECV that is a request only
	if err := unix.Connect(waiting, sockaddr(family, addr, port)); err != unix.EINPROGRESS {
		l.t.Fatalf("connect: %v", err)
	}
	l.bound(family, unix.SOCK_DGRAM, addr, port)
	udp := l.socket(family, unix.SOCK_DGRAM)
	l.must(unix.Connect(udp, sockaddr(family, addr, port)))
}

func (l *lab) dump(states sockdiag.States) []sockdiag.Socket {
	l.t.Helper()
	var all []sockdiag.Socket
	for _, family := range []int{unix.AF_INET, unix.AF_INET6} {
		for _, proto := range []int{unix.IPPROTO_TCP, unix.IPPROTO_UDP} {
			l.ns.Do(func() {
				sockets, err := sockdiag.Dump(family, proto, states)
				if err != nil {
					l.t.Error(err)
				}
				all = append(all, sockets...)
			})
		}
	}
	return all
}

var states = map[sockdiag.State]event.State{
	sockdiag.Established: event.Established, sockdiag.SynSent: event.SynSent, sockdiag.SynRecv: event.SynSent,
	sockdiag.FinWait1: event.FinWait1, sockdiag.FinWait2: event.FinWait2, sockdiag.TimeWait: event.TimeWait,
	sockdiag.Close: event.Bound, sockdiag.CloseWait: event.CloseWait, sockdiag.LastAck: event.LastAck,
	sockdiag.Listen: event.Listening, sockdiag.Closing: event.Closing,
}

func sorted(lines []string) string {
	sort.Strings(lines)
	return strings.Join(lines, "")
}

// The tables of /proc and the dump are the same kernel's, at a moment when nothing moves.
func TestDumpIsWhatProcSays(t *testing.T) {
	l := newLab(t)
	l.populate(unix.AF_INET, "127.0.0.1", 7001)
	l.populate(unix.AF_INET6, "::1", 7002)
	l.populate(unix.AF_INET6, "::ffff:127.0.0.1", 7003)
	tables := func() string {
		var lines []string
		for _, e := range l.ns.Table(t) {
			lines = append(lines, fmt.Sprintln(e.Src, e.Dst, e.State))
		}
		return sorted(lines)
	}
	var got, want string
	for deadline := time.Now().Add(30 * time.Second); ; {
		var lines []string
		for _, s := range l.dump(sockdiag.AllStates &^ sockdiag.Set(sockdiag.BoundInactive)) {
			lines = append(lines, fmt.Sprintln(s.Src, s.Dst, states[s.State]))
		}
		got, want = sorted(lines), tables()
		if got == want {
			break
		}
		if time.Now().After(deadline) {
			t.Fatalf("the dump has\n%s/proc/net has\n%s", got, want)
		}
	}
	for _, state := range states {
		if state != event.Bound && !strings.Contains(got, " "+state.String()+"\n") {
			t.Errorf("no socket in %s:\n%s", state, got)
		}
	}
}

func TestDumpTellsTheSocket(t *testing.T) {
	l := newLab(t)
	srv := l.listener(unix.AF_INET, "127.0.0.1", 7001, 1)
	client, server := l.pair(unix.AF_INET, srv, "127.0.0.1", 7001)
	var st unix.Stat_t
	l.must(unix.Fstat(client, &st))
	cookie, err := unix.GetsockoptUint64(client, unix.SOL_SOCKET, unix.SO_COOKIE)
	l.must(err)
	find := func(state sockdiag.State) *sockdiag.Socket {
		for _, s := range l.dump(sockdiag.Set(state)) {
			if s.Cookie == cookie {
				return &s
			}
		}
		return nil
	}
	got := find(sockdiag.Established)
	if got == nil || got.Inode != uint32(st.Ino) || got.UID != uint32(os.Getuid()) || got.Family != unix.AF_INET || got.Dst.String() != "127.0.0.1:7001" {
		t.Errorf("got %+v, want inode %d, cookie %d", got, st.Ino, cookie)
	}
	l.must(unix.Shutdown(client, unix.SHUT_WR))
	l.must(unix.Shutdown(server, unix.SHUT_WR))
	got = find(sockdiag.TimeWait)
	if got == nil || got.Inode != 0 {
		t.Errorf("in TIME_WAIT: %+v, want cookie %d and no inode", got, cookie)
	}
}

// Before 6.8 the kernel lists no socket that is only bound.
func TestDumpHasBoundSockets(t *testing.T) {
	l := newLab(t)
	const many = 101
	for range many {
		l.bound(unix.AF_INET, unix.SOCK_STREAM, "127.0.0.1", 0)
	}
	l.bound(unix.AF_INET6, unix.SOCK_STREAM, "::ffff:127.0.0.1", 7003)
	got := l.dump(sockdiag.Set(sockdiag.BoundInactive))
	testutil.Need(t, len(got) > 0, "a kernel that lists bound sockets (6.8)")
	if len(got) != many+1 {
		t.Errorf("%d sockets, want %d", len(got), many+1)
	}
	for _, s := range got {
		if s.State != sockdiag.Close || s.Src.Port() == 0 || s.Dst.Port() != 0 || s.Src.Addr() != netip.MustParseAddr("127.0.0.1") {
			t.Errorf("got %+v", s)
		}
	}
}

// A listing of many datagrams is whole.
func TestDumpOfManySockets(t *testing.T) {
	l := newLab(t)
	const many = 2003
	var limit unix.Rlimit
	l.must(unix.Getrlimit(unix.RLIMIT_NOFILE, &limit))
	testutil.Need(t, limit.Cur > many+100, fmt.Sprintf("%d open files", many+100))
	for range many {
		l.bound(unix.AF_INET6, unix.SOCK_DGRAM, "::1", 0)
	}
	seen := map[uint64]bool{}
	for _, s := range l.dump(sockdiag.AllStates) {
		seen[s.Cookie] = true
	}
	if len(seen) != many {
		t.Errorf("%d sockets, want %d", len(seen), many)
	}
}

func TestDumpOfWhatIsNotThere(t *testing.T) {
	if got, err := sockdiag.Dump(unix.AF_INET, 254, sockdiag.AllStates); err == nil {
		t.Errorf("protocol 254: %d sockets and no error", len(got))
	}
}
