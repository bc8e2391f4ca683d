package scenario

import (
	"errors"
	"net/netip"
	"testing"

	"golang.org/x/sys/unix"

	"porttrace/internal/event"
	"porttrace/internal/lifetime"
	"porttrace/internal/testutil"
)

// nowhere is an address that a namespace with nothing but a loopback has no route to.
func (p *site) nowhere() netip.AddrPort {
	switch {
	case p.addr.Is4():
		return netip.MustParseAddrPort("192.0.2.1:7777")
	case p.addr.Is4In6():
		return netip.MustParseAddrPort("[::ffff:192.0.2.1]:7777")
	}
	return netip.MustParseAddrPort("[2001:db8::1]:7777")
}

var udpWays = []way{
	{"bind", event.Bind, event.Bound, udpBind, false},
	{"send", event.UDPSend, event.Bound, udpSend, true},
	{"connect", event.UDPConnect, event.Established, udpConnect, true},
	{"bind and connect", event.Bind, event.Established, udpBindConnect, false},
	{"bind to the wildcard and connect", event.Bind, event.Established, udpBindWildcardConnect, false},
	{"send and connect", event.UDPSend, event.Established, udpSendConnect, true},
	{"connect to nowhere", event.UDPConnect, event.Bound, udpConnectNowhere, true},
	{"send to nowhere", event.UDPSend, event.Bound, udpSendNowhere, true},
}

// Sends that fail after the kernel has chosen a port; only a tracepoint tells.
var udpFailedSends = []way{
	{"EMSGSIZE", event.UDPSend, event.Bound, udpSendTooLong, true},
	{"EDESTADDRREQ", event.UDPSend, event.Bound, udpSendWithoutAddress, true},
}

// An IPv6 socket sends to port 0.
var udpFailedSend4 = way{"EINVAL", event.UDPSend, event.Bound, udpSendToPortZero, true}

func udpBind(p *site) conn {
	c := udpSock(p.t, p.ns, p.addr)
	c.mustBind(p.own())
	return conn{sock: c}
}

func udpSend(p *site) conn {
	c := udpSock(p.t, p.ns, p.addr)
	c.sendTo(p.at, 1, nil)
	return conn{sock: c}
}

func udpConnect(p *site) conn {
	c := udpSock(p.t, p.ns, p.addr)
	c.mustConnect(p.at)
	return conn{sock: c}
}

func udpBindConnect(p *site) conn {
	c := udpBind(p)
	c.mustConnect(p.at)
	return c
}

func udpBindWildcardConnect(p *site) conn {
	c := udpSock(p.t, p.ns, p.addr)
	c.mustBind(p.anyAddr())
	c.mustConnect(p.at)
	return conn{sock: c}
}

func udpSendConnect(p *site) conn {
	c := udpSend(p)
	c.mustConnect(p.at)
	return c
}

// connect() chooses a port before it looks for a route (inet_dgram_connect).
func udpConnectNowhere(p *site) conn {
	c := udpSock(p.t, p.ns, p.addr)
	if err := c.connect(p.nowhere()); !errors.Is(err, unix.ENETUNREACH) {
		p.t.Fatalf("connect to nowhere: %v, want ENETUNREACH", err)
	}
	return conn{sock: c}
}

func udpSendNowhere(p *site) conn {
	c := udpSock(p.t, p.ns, p.addr)
	c.sendTo(p.nowhere(), 1, unix.ENETUNREACH)
	return conn{sock: c}
}

func udpSendTooLong(p *site) conn {
	c := udpSock(p.t, p.ns, p.addr)
	c.sendTo(p.at, 1<<16, unix.EMSGSIZE)
	return conn{sock: c}
}

func udpSendToPortZero(p *site) conn {
	c := udpSock(p.t, p.ns, p.addr)
	c.sendTo(p.own(), 1, unix.EINVAL)
	return conn{sock: c}
}

func udpSendWithoutAddress(p *site) conn {
	c := udpSock(p.t, p.ns, p.addr)
	if _, err := unix.Write(c.fd, []byte("x")); !errors.Is(err, unix.EDESTADDRREQ) {
		p.t.Fatalf("write: %v, want EDESTADDRREQ", err)
	}
	return conn{sock: c}
}

// sendTo sends n bytes and wants the error.
func (s *sock) sendTo(to netip.AddrPort, n int, wanted error) {
	s.t.Helper()
	if err := unix.Sendto(s.fd, make([]byte, n), 0, sockaddr(to)); !errors.Is(err, wanted) {
		s.t.Fatalf("sending %d bytes to %s: %v, want %v", n, to, err, wanted)
	}
}

func TestUDPPaths(t *testing.T) {
	walkAll(t, udpWays, inet, reachableUDPSite)
}

func TestUDPFailedSends(t *testing.T) {
	needFailedSends(t, testutil.Hooks(t))
	walkAll(t, udpFailedSends, inet, reachableUDPSite)
	walkAll(t, []way{udpFailedSend4}, inet[:1], reachableUDPSite)
}

// reachableUDPSite is a udpSite that looks reach: what UDP sockets are, only they tell.
func reachableUDPSite(t testing.TB, addr netip.Addr) *site {
	t.Helper()
	p := udpSite(t, addr)
	reachable(t, p.ns)
	return p
}

// A UDP socket that is connected and closed at once, quicker than any look.
func TestUDPConnectAndClose(t *testing.T) {
	all := start(t, everything())
	inFamilies(t, func(t *testing.T, addr netip.Addr) {
		lockThread(t)
		p, tr := udpSite(t, addr), all.with(t)
		var wants []want
		for range crowd {
			c := udpConnect(p)
			wants = append(wants, wantOf(c, event.UDPConnect, event.Established))
			c.close()
		}
		born := tr.wait(crowd, "assigns", in(p.ns, lifetime.Assign))
		checkHolds(t, born, wants)
		checkOwners(t, born, me(t))
		for _, r := range tr.wait(crowd, "releases", in(p.ns, lifetime.Release)) {
			if r.Reason != event.Closed {
				t.Errorf("%s ended %q, want %q", describe(&r), r.Reason, event.Closed)
			}
		}
		tr.truth(p.ns)
	})
}

// A namespace that only a thread lives in cannot be looked into; what is held there is
// told by the look at the end, which sees every descriptor.
func TestUDPConnectHeldAtEnd(t *testing.T) {
	inFamilies(t, func(t *testing.T, addr netip.Addr) {
		p := udpSite(t, addr)
		tr := start(t, everything())
		var wants []want
		for range crowd {
			wants = append(wants, wantOf(udpConnect(p), event.UDPConnect, event.Established))
		}
		tr.stop()
		checkHolds(t, tr.wait(crowd, "holds at the end", in(p.ns, lifetime.HeldAtEnd)), wants)
	})
}
