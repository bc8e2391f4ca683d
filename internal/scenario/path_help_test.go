package scenario

import (
	"errors"
	"fmt"
	"net/netip"
	"os"
	"runtime"
	"strings"
	"testing"

	"golang.org/x/sys/unix"

	"porttrace/internal/event"
	"porttrace/internal/lifetime"
	"porttrace/internal/probe"
	"porttrace/internal/testutil"
)

// crowd is how many sockets a workload makes: a prime, so that a count that is off by
// a factor cannot look right.
const crowd = 23

// serverPort is the explicit port of every server; accepted sockets share it. What has
// it is in the kernel's tables and must not be among the holds.
const serverPort = 7777

// mapped is IPv4 through an IPv6 socket.
var mapped = netip.MustParseAddr("::ffff:127.0.0.1")

// inFamilies runs a scenario in all of inet.
func inFamilies(t *testing.T, run func(t *testing.T, addr netip.Addr)) {
	t.Helper()
	inThese(t, inet, run)
}

type family struct {
	name string
	addr netip.Addr
}

// inet are IPv4, IPv6, and IPv4 through an IPv6 socket.
var inet = []family{{"v4", v4}, {"v6", v6}, {"mapped", mapped}}

func inThese(t *testing.T, families []family, run func(t *testing.T, addr netip.Addr)) {
	t.Helper()
	for _, f := range families {
		t.Run(f.name, func(t *testing.T) {
			if f.addr.Is6() {
				_, err := os.Stat("/proc/net/if_inet6")
				testutil.Need(t, err == nil, "IPv6 in the kernel")
			}
			run(t, f.addr)
		})
	}
}

// withStates is everything() with a record for each state entered, so that the last
// record of a hold shows how it stands now.
func withStates() probe.Options {
	o := everything()
	o.States = true
	return o
}

// site is a namespace with a server in it.
type site struct {
	t    testing.TB
	ns   *testutil.NetNS
	srv  *sock
	at   netip.AddrPort
	addr netip.Addr
}

// tcpSite is a site with a TCP listener.
func tcpSite(t testing.TB, addr netip.Addr) *site {
	t.Helper()
	ns := testutil.NewNetNS(t)
	srv, at := server(t, ns, addr)
	return &site{t, ns, srv, at, addr}
}

// udpSite is a site with a UDP receiver on an explicit port.
func udpSite(t testing.TB, addr netip.Addr) *site {
	t.Helper()
	ns := testutil.NewNetNS(t)
	srv, at := udpSock(t, ns, addr), netip.AddrPortFrom(addr, serverPort)
	srv.mustBind(at)
	return &site{t, ns, srv, at, addr}
}

// anyAddr is the wildcard address with port 0.
func (p *site) anyAddr() netip.AddrPort {
	if p.addr.Is4() {
		return netip.AddrPortFrom(netip.IPv4Unspecified(), 0)
	}
	return netip.AddrPortFrom(netip.IPv6Unspecified(), 0)
}

// own is the server's address with port 0.
func (p *site) own() netip.AddrPort { return netip.AddrPortFrom(p.addr, 0) }

// conn is a socket under test, and the server's end of it if it has one.
type conn struct {
	*sock
	peer *sock
	dst  netip.AddrPort // where getpeername does not tell yet
}

// joined is c connected to the site's server.
func (p *site) joined(c *sock) conn { return conn{sock: c, peer: p.srv.accept()} }

// leave closes both ends, the server's first, so that the TIME_WAIT is the server's.
func (c conn) leave() {
	if c.peer != nil {
		c.peer.close()
		c.sock.awaitTCP(unix.BPF_TCP_CLOSE_WAIT)
	}
	c.sock.close()
}

// awaitTCP waits until TCP is in a state.
func (s *sock) awaitTCP(state uint8) {
	s.t.Helper()
	await(s.t, "TCP state", func() bool {
		info, err := unix.GetsockoptTCPInfo(s.fd, unix.IPPROTO_TCP, unix.TCP_INFO)
		return err == nil && info.State == state
	})
}

// want is a hold as the workload knows it.
type want struct {
	proto event.Proto
	path  event.Path
	state event.State
	src   netip.AddrPort
	dst   netip.AddrPort // zero: unknown
}

func wantOf(c conn, path event.Path, state event.State) want {
	w := want{event.TCP, path, state, unmap(c.local()), c.remote()}
	if typ, _ := unix.GetsockoptInt(c.fd, unix.SOL_SOCKET, unix.SO_TYPE); typ == unix.SOCK_DGRAM {
		w.proto = event.UDP
	}
	return w
}

// remote is where the socket is connected to, the zero value if it is not.
func (c conn) remote() netip.AddrPort {
	c.t.Helper()
	if c.dst.IsValid() {
		return unmap(c.dst)
	}
	sa, err := unix.Getpeername(c.fd)
	if errors.Is(err, unix.ENOTCONN) {
		return netip.AddrPort{}
	}
	switch sa := sa.(type) {
	case *unix.SockaddrInet4:
		return netip.AddrPortFrom(netip.AddrFrom4(sa.Addr), uint16(sa.Port))
	case *unix.SockaddrInet6:
		return unmap(netip.AddrPortFrom(netip.AddrFrom16(sa.Addr), uint16(sa.Port)))
	}
	c.t.Fatalf("getpeername: %T, %v", sa, err)
	return netip.AddrPort{}
}

func unmap(a netip.AddrPort) netip.AddrPort { return netip.AddrPortFrom(a.Addr().Unmap(), a.Port()) }

// number is what tells the holds of one address apart.
type number struct {
	proto event.Proto
	port  uint16
}

func byNumber(wants []want) map[number]want {
	m := map[number]want{}
	for _, w := range wants {
		m[number{w.proto, w.src.Port()}] = w
	}
	return m
}

// checkHolds compares holds with what the workload did, one to one. A port that was
// given back may have been handed out again.
func checkHolds(t testing.TB, holds []told, wants []want) {
	t.Helper()
	left := map[number][]want{}
	for _, w := range wants {
		at := number{w.proto, w.src.Port()}
		left[at] = append(left[at], w)
	}
	for _, h := range holds {
		at := number{h.Proto, h.Port}
		if len(left[at]) == 0 {
			t.Errorf("a hold that nobody made, or twice: %s", describe(&h))
			continue
		}
		w := left[at][0]
		left[at] = left[at][1:]
		got := want{h.Proto, h.Path, h.Hold.State, netip.AddrPortFrom(h.Src, h.Port), h.Dst}
		if got != w {
			t.Errorf("got %s, want %s", got, w)
		}
	}
	for _, missing := range left {
		for _, w := range missing {
			t.Errorf("held and not recorded: %s", w)
		}
	}
}

func (w want) String() string {
	return fmt.Sprintf("%s %s -> %s %s %s", w.proto, w.src, w.dst, w.path, w.state)
}

// me is the calling thread as an owner. The caller has locked it.
func me(t testing.TB) lifetime.Owner {
	t.Helper()
	comm, err := os.ReadFile("/proc/thread-self/comm")
	if err != nil {
		t.Fatal(err)
	}
	return lifetime.Owner{
		PID: uint32(os.Getpid()), TID: uint32(unix.Gettid()), UID: uint32(os.Getuid()),
		Comm: strings.TrimSuffix(string(comm), "\n"),
	}
}

// checkOwners compares owners by what the kernel says of them.
func checkOwners(t testing.TB, holds []told, who lifetime.Owner) {
	t.Helper()
	for _, h := range holds {
		got := h.Owner
		got = lifetime.Owner{PID: got.PID, TID: got.TID, UID: got.UID, Comm: got.Comm}
		if got != who {
			t.Errorf("port %d: owner is %+v, want %+v", h.Port, got, who)
		}
	}
}

// checkSearch wants the search of most holds measured: one that was moved to another
// CPU is not.
func checkSearch(t testing.TB, holds []told) {
	t.Helper()
	measured := 0
	for _, h := range holds {
		if h.Search >= 0 {
			measured++
		}
		if h.Search > patience {
			t.Errorf("port %d: the search took %v", h.Port, h.Search)
		}
	}
	if measured*2 < len(holds) {
		t.Errorf("the search of %d of %d holds was measured", measured, len(holds))
	}
}

// lockThread keeps the test on one thread, so that its owner is known to the thread.
func lockThread(t testing.TB) {
	runtime.LockOSThread()
	t.Cleanup(runtime.UnlockOSThread)
}
