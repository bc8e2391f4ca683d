package scenario

import (
	"net/netip"
	"testing"

	"golang.org/x/sys/unix"

	"porttrace/internal/event"
	"porttrace/internal/lifetime"
	"porttrace/internal/testutil"
)

// Fast open without cookies: client 1, server 2, client sends data without a cookie 4,
// every server takes such data 0x200 (Documentation/networking/ip-sysctl.rst).
const fastOpenNoCookie = "519"

// fastSite is a site where fast open defers connect() to the first write.
func fastSite(t testing.TB, addr netip.Addr) *site {
	t.Helper()
	p := tcpSite(t, addr)
	p.ns.Sysctl(t, "ipv4/tcp_fastopen", fastOpenNoCookie)
	p.srv.set(unix.IPPROTO_TCP, unix.TCP_FASTOPEN, 1024)
	return p
}

func connectFastSend(p *site) conn {
	c := tcpSock(p.t, p.ns, p.addr)
	if err := unix.Sendto(c.fd, []byte("x"), unix.MSG_FASTOPEN, sockaddr(p.at)); err != nil {
		p.t.Fatalf("sendto with MSG_FASTOPEN: %v", err)
	}
	return p.joinedRead(c)
}

// connectDeferred chooses the port and sends nothing.
func connectDeferred(p *site) *sock {
	c := tcpSock(p.t, p.ns, p.addr)
	err := unix.SetsockoptInt(c.fd, unix.IPPROTO_TCP, unix.TCP_FASTOPEN_CONNECT, 1)
	testutil.Need(p.t, err == nil, "TCP_FASTOPEN_CONNECT (Linux 4.11)")
	c.mustConnect(p.at)
	return c
}

func connectDeferredWrite(p *site) conn {
	c := connectDeferred(p)
	c.write()
	return p.joinedRead(c)
}

// connectFastNoCookie is TCP_FASTOPEN_CONNECT where the SYN asks for a cookie first.
func connectFastNoCookie(p *site) conn {
	p.ns.Sysctl(p.t, "ipv4/tcp_fastopen", "1")
	return p.joined(connectDeferred(p))
}

func (s *sock) write() {
	s.t.Helper()
	if _, err := unix.Write(s.fd, []byte("x")); err != nil {
		s.t.Fatalf("write: %v", err)
	}
}

// joinedRead is joined, with the one byte read, so that close sends no RST.
func (p *site) joinedRead(c *sock) conn {
	j := p.joined(c)
	if n, err := unix.Read(j.peer.fd, make([]byte, 1)); n != 1 || err != nil {
		p.t.Fatalf("read: %d bytes, %v", n, err)
	}
	c.awaitTCP(unix.BPF_TCP_ESTABLISHED)
	return j
}

func TestTCPFastOpen(t *testing.T) {
	walkAll(t, []way{
		{"MSG_FASTOPEN", event.Connect, event.Established, connectFastSend, false},
		{"deferred", event.Connect, event.Established, connectDeferredWrite, true},
		{"without a cookie", event.Connect, event.Established, connectFastNoCookie, true},
	}, inet, fastSite)
}

// The port is held from connect() on, though the SYN leaves with the first write.
func TestTCPFastOpenAssignedAtConnect(t *testing.T) {
	all := start(t, withStates())
	inFamilies(t, func(t *testing.T, addr netip.Addr) {
		lockThread(t)
		p, tr := fastSite(t, addr), all.with(t)
		var waiting []*sock
		for range crowd {
			waiting = append(waiting, connectDeferred(p))
		}
		mark := tr.mark(p)
		var wants []want
		for _, c := range waiting {
			c.write()
			wants = append(wants, wantOf(p.joinedRead(c), event.Connect, event.Established))
		}
		wants = append(wants, mark)
		born := byPort(mark.src.Port())
		at := tr.one("the mark", in(p.ns, lifetime.Assign, born)).Assigned
		for _, h := range tr.wait(crowd+1, "assigns", in(p.ns, lifetime.Assign)) {
			if h.Assigned > at {
				t.Errorf("port %d was assigned %v after connect()", h.Port, h.Assigned.Sub(at))
			}
		}
		tr.truth(p.ns)
		checkHolds(t, tr.latest(p.ns), wants)
	})
}

// Closed without a write no SYN ever leaves: the hold was there all the same.
func TestTCPFastOpenNeverWritten(t *testing.T) {
	all := start(t, withStates())
	inFamilies(t, func(t *testing.T, addr netip.Addr) {
		lockThread(t)
		p, tr := fastSite(t, addr), all.with(t)
		var waiting []*sock
		var wants []want
		for range crowd {
			c := connectDeferred(p)
			waiting = append(waiting, c)
			wants = append(wants, wantOf(conn{sock: c, dst: p.at}, event.Connect, event.SynSent))
		}
		for _, c := range waiting {
			c.close()
		}
		born := tr.wait(crowd, "assigns", in(p.ns, lifetime.Assign))
		checkHolds(t, born, wants)
		checkOwners(t, born, me(t))
		for _, r := range tr.wait(crowd, "releases", in(p.ns, lifetime.Release)) {
			if r.Reason != event.Aborted || r.Dst != unmap(p.at) {
				t.Errorf("%s ended %q, want %q", describe(&r), r.Reason, event.Aborted)
			}
		}
		tr.truth(p.ns)
	})
}

// What waits for its first write at the end of the trace is held.
func TestTCPFastOpenHeldAtEnd(t *testing.T) {
	inFamilies(t, func(t *testing.T, addr netip.Addr) {
		p := fastSite(t, addr)
		tr := start(t, everything())
		var wants []want
		for range crowd {
			wants = append(wants, wantOf(conn{sock: connectDeferred(p), dst: p.at}, event.Connect, event.SynSent))
		}
		tr.stop()
		checkHolds(t, tr.wait(crowd, "holds at the end", in(p.ns, lifetime.HeldAtEnd)), wants)
	})
}
