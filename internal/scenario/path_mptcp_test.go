package scenario

import (
	"net"
	"net/netip"
	"os"
	"testing"

	"golang.org/x/sys/unix"

	"porttrace/internal/event"
	"porttrace/internal/lifetime"
	"porttrace/internal/testutil"
)

func mptcpSock(p *site) *sock {
	s := &sock{p.t, p.ns, -1}
	var err error
	p.ns.Do(func() {
		s.fd, err = unix.Socket(familyOf(p.addr), unix.SOCK_STREAM|unix.SOCK_CLOEXEC, unix.IPPROTO_MPTCP)
	})
	testutil.Need(p.t, err == nil, "MPTCP (CONFIG_MPTCP, net.mptcp.enabled)")
	p.t.Cleanup(s.close)
	return s
}

func mptcpBindListen(p *site) conn {
	s := mptcpSock(p)
	s.mustBind(p.own())
	s.listen()
	return conn{sock: s}
}

func mptcpConnect(p *site) conn {
	s := mptcpSock(p)
	s.mustConnect(p.at)
	return p.joined(s)
}

var mptcpWays = []way{
	{"bind and listen", event.Bind, event.Listening, mptcpBindListen, false},
	{"connect", event.Connect, event.Established, mptcpConnect, true},
}

// The port is a subflow's, which the kernel made; the owner is who asked for it.
func TestMPTCP(t *testing.T) {
	walkAll(t, mptcpWays, inet, tcpSite)
}

// Both ends speak MPTCP.
func TestMPTCPBothEnds(t *testing.T) {
	all := start(t, withStates())
	inFamilies(t, func(t *testing.T, addr netip.Addr) {
		lockThread(t)
		tr := all.with(t)
		p := &site{t: t, ns: testutil.NewNetNS(t), addr: addr, at: netip.AddrPortFrom(addr, serverPort)}
		reachable(t, p.ns)
		p.srv = mptcpSock(p)
		p.srv.mustBind(p.at)
		p.srv.listen()
		var conns []conn
		var wants []want
		for range crowd {
			c := mptcpConnect(p)
			conns = append(conns, c)
			wants = append(wants, wantOf(c, event.Connect, event.Established))
		}
		born := tr.wait(crowd, "assigns", in(p.ns, lifetime.Assign))
		checkOwners(t, born, me(t))
		tr.truth(p.ns)
		checkHolds(t, tr.latest(p.ns), wants)
		for _, c := range conns {
			c.peer.close()
			c.close()
		}
		tr.truth(p.ns)
		tr.wait(crowd, "assigns in the end", in(p.ns, lifetime.Assign))
	})
}

// goListener is how most Go programs listen; since 1.24 that is MPTCP.
func goListener(t *testing.T, ns *testutil.NetNS, addr netip.Addr) (net.Listener, want) {
	t.Helper()
	var l net.Listener
	var err error
	ns.Do(func() { l, err = net.Listen("tcp", netip.AddrPortFrom(addr, 0).String()) })
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { l.Close() })
	at := unmap(l.Addr().(*net.TCPAddr).AddrPort())
	return l, want{event.TCP, event.Bind, event.Listening, at, netip.AddrPort{}}
}

func TestGoListener(t *testing.T) {
	// package net binds two sockets once, to see what IPv6 can do; not in our namespace
	if l, err := net.Listen("tcp", "127.0.0.1:0"); err == nil {
		l.Close()
	}
	for _, addr := range []netip.Addr{v4, v6} {
		t.Run(addr.String(), func(t *testing.T) {
			ns := testutil.NewNetNS(t)
			tr := start(t, withStates())
			var wants []want
			var listeners []net.Listener
			for range crowd {
				l, w := goListener(t, ns, addr)
				listeners, wants = append(listeners, l), append(wants, w)
			}
			for _, h := range tr.wait(crowd, "assigns", in(ns, lifetime.Assign)) {
				if h.Owner.PID != uint32(os.Getpid()) {
					t.Errorf("%s: want owner %d", describe(&h), os.Getpid())
				}
			}
			tr.truth(ns)
			checkHolds(t, tr.latest(ns), wants)
			for _, l := range listeners {
				l.Close()
			}
			tr.wait(crowd, "releases", in(ns, lifetime.Release))
			tr.truth(ns)
		})
	}
}
