package scenario

import (
	"net/netip"
	"testing"

	"golang.org/x/sys/unix"

	"porttrace/internal/testutil"
)

// Sockets are made with bare system calls: the tests are about exactly these calls,
// and the net package adds some of its own.

var (
	v4 = netip.MustParseAddr("127.0.0.1")
	v6 = netip.MustParseAddr("::1")
)

// sock is a socket of a namespace, closed at the end of the test if not before.
type sock struct {
	t  testing.TB
	ns *testutil.NetNS
	fd int
}

func newSock(t testing.TB, ns *testutil.NetNS, family, typ int) *sock {
	t.Helper()
	s := &sock{t, ns, -1}
	var err error
	ns.Do(func() { s.fd, err = unix.Socket(family, typ|unix.SOCK_CLOEXEC, 0) })
	if err != nil {
		t.Fatalf("socket: %v", err)
	}
	t.Cleanup(s.close)
	return s
}

func tcpSock(t testing.TB, ns *testutil.NetNS, addr netip.Addr) *sock {
	return newSock(t, ns, familyOf(addr), unix.SOCK_STREAM)
}

func udpSock(t testing.TB, ns *testutil.NetNS, addr netip.Addr) *sock {
	return newSock(t, ns, familyOf(addr), unix.SOCK_DGRAM)
}

func familyOf(addr netip.Addr) int {
	if addr.Is4() {
		return unix.AF_INET
	}
	return unix.AF_INET6
}

func sockaddr(a netip.AddrPort) unix.Sockaddr {
	if a.Addr().Is4() {
		return &unix.SockaddrInet4{Port: int(a.Port()), Addr: a.Addr().As4()}
	}
	return &unix.SockaddrInet6{Port: int(a.Port()), Addr: a.Addr().As16()}
}

func (s *sock) close() {
	if s.fd >= 0 {
		unix.Close(s.fd)
		s.fd = -1
	}
}

// connect returns connect()'s error.
func (s *sock) connect(to netip.AddrPort) error { return unix.Connect(s.fd, sockaddr(to)) }

func (s *sock) mustConnect(to netip.AddrPort) {
	s.t.Helper()
	if err := s.connect(to); err != nil {
		s.t.Fatalf("connect to %s: %v", to, err)
	}
}

// bind returns bind()'s error.
func (s *sock) bind(to netip.AddrPort) error { return unix.Bind(s.fd, sockaddr(to)) }

func (s *sock) mustBind(to netip.AddrPort) {
	s.t.Helper()
	if err := s.bind(to); err != nil {
		s.t.Fatalf("bind to %s: %v", to, err)
	}
}

func (s *sock) listen() {
	s.t.Helper()
	if err := unix.Listen(s.fd, 1024); err != nil {
		s.t.Fatalf("listen: %v", err)
	}
}

// accept returns the next connection of a listener.
func (s *sock) accept() *sock {
	s.t.Helper()
	fd, _, err := unix.Accept4(s.fd, unix.SOCK_CLOEXEC)
	if err != nil {
		s.t.Fatalf("accept: %v", err)
	}
	child := &sock{s.t, s.ns, fd}
	s.t.Cleanup(child.close)
	return child
}

func (s *sock) set(level, option, value int) {
	s.t.Helper()
	if err := unix.SetsockoptInt(s.fd, level, option, value); err != nil {
		s.t.Fatalf("setsockopt %d %d: %v", level, option, err)
	}
}

// resetOnClose makes close send a RST.
func (s *sock) resetOnClose() {
	s.t.Helper()
	if err := unix.SetsockoptLinger(s.fd, unix.SOL_SOCKET, unix.SO_LINGER, &unix.Linger{Onoff: 1}); err != nil {
		s.t.Fatalf("SO_LINGER: %v", err)
	}
}

// local returns the socket's own address.
func (s *sock) local() netip.AddrPort {
	s.t.Helper()
	sa, err := unix.Getsockname(s.fd)
	if err != nil {
		s.t.Fatalf("getsockname: %v", err)
	}
	switch sa := sa.(type) {
	case *unix.SockaddrInet4:
		return netip.AddrPortFrom(netip.AddrFrom4(sa.Addr), uint16(sa.Port))
	case *unix.SockaddrInet6:
		return netip.AddrPortFrom(netip.AddrFrom16(sa.Addr), uint16(sa.Port))
	}
	s.t.Fatalf("getsockname: unexpected %T", sa)
	return netip.AddrPort{}
}

// server is a listener on an explicit port of a namespace: not ephemeral, not reported. A
// FIN that a busy machine sends twice meets no socket any more, and the RST that answers
// it would end the TIME_WAIT of the sender's peer (RFC 1337): here it does not.
func server(t testing.TB, ns *testutil.NetNS, addr netip.Addr) (*sock, netip.AddrPort) {
	t.Helper()
	ns.Sysctl(t, "ipv4/tcp_rfc1337", "1")
	s := tcpSock(t, ns, addr)
	s.set(unix.SOL_SOCKET, unix.SO_REUSEADDR, 1)
	at := netip.AddrPortFrom(addr, 7777)
	s.mustBind(at)
	s.listen()
	return s, at
}
