package scenario

import (
	"net/netip"
	"testing"

	"golang.org/x/sys/unix"

	"porttrace/internal/event"
	"porttrace/internal/lifetime"
	"porttrace/internal/probe"
)

// A listener on an explicit port, its accepted sockets, an explicitly bound client and
// an explicit UDP socket.
func explicitWorkload(p *site) (explicit []want, clients []conn) {
	const first = 7101
	for i := range crowd {
		c := tcpSock(p.t, p.ns, p.addr)
		c.mustBind(netip.AddrPortFrom(p.addr, first+uint16(i)))
		c.mustConnect(p.at)
		j := p.joined(c)
		clients = append(clients, j)
		explicit = append(explicit, wantOf(j, event.Explicit, event.Established))

		u := udpSock(p.t, p.ns, p.addr)
		u.mustBind(netip.AddrPortFrom(p.addr, first+uint16(i)))
		explicit = append(explicit, wantOf(conn{sock: u}, event.Explicit, event.Bound))
	}
	return explicit, clients
}

// mark connects once: when its hold is recorded, so is all that was before it.
func (tr *trace) mark(p *site) want {
	tr.t.Helper()
	began := tr.now()
	c := connectBlocking(p)
	tr.one("the mark", in(p.ns, lifetime.Assign, byPath(event.Connect), byPort(c.local().Port()), since(began)))
	return wantOf(c, event.Connect, event.Established)
}

func TestExplicitIsNotReported(t *testing.T) {
	inFamilies(t, func(t *testing.T, addr netip.Addr) {
		p := tcpSite(t, addr)
		tr := start(t, withStates())
		_, clients := explicitWorkload(p)
		for _, c := range clients {
			c.leave()
		}
		tr.mark(p)
		tr.wait(1, "assigns", in(p.ns, lifetime.Assign)) // the mark alone
		tr.stop()
		tr.wait(1, "holds at the end", in(p.ns, lifetime.HeldAtEnd))
	})
}

// Nor is what one leaves in TIME_WAIT, which looks like any other's, on a port of the range,
// be it by then, too, and whether the trace saw the bind, the connect, or neither.
func TestExplicitIsNotReportedInTimeWait(t *testing.T) {
	inFamilies(t, func(t *testing.T, addr netip.Addr) {
		p := tcpSite(t, addr)
		reachable(t, p.ns)
		bound, joined := bindInRange(p, 50000), bindInRange(p, 50100)
		conns := p.joinAll(joined)
		tr := start(t, withStates())
		p.ns.Sysctl(t, "ipv4/ip_local_port_range", "50000 50199")
		conns = append(conns, p.joinAll(append(bound, bindInRange(p, 50200)...))...)
		var wants []want
		for i, c := range conns {
			w := wantOf(c, event.Explicit, event.TimeWait)
			c.sock.close()
			if i%2 == 0 {
				w.state = event.FinWait2
			} else {
				c.peer.close()
			}
			wants = append(wants, w)
		}
		await(t, "leftovers", func() bool { return kernelSet(t, p.ns) == wantSet(wants) })
		p.ns.Sysctl(t, "ipv4/ip_local_port_range", "32768 60999")
		tr.stop()
		tr.wait(0, "held at the start", in(p.ns, lifetime.HeldAtStart))
		tr.wait(0, "found by the audit", in(p.ns, lifetime.Assign))
		tr.wait(0, "holds at the end", in(p.ns, lifetime.HeldAtEnd))
	})
}

// bindInRange binds a crowd by number.
func bindInRange(p *site, first uint16) []*sock {
	p.t.Helper()
	socks := make([]*sock, crowd)
	for i := range socks {
		socks[i] = tcpSock(p.t, p.ns, p.addr)
		socks[i].mustBind(netip.AddrPortFrom(p.addr, first+uint16(i)))
	}
	return socks
}

// joinAll connects sockets to the site's server.
func (p *site) joinAll(socks []*sock) []conn {
	p.t.Helper()
	conns := make([]conn, len(socks))
	for i, c := range socks {
		c.mustConnect(p.at)
		conns[i] = p.joined(c)
	}
	return conns
}

func TestExplicitOption(t *testing.T) {
	inFamilies(t, func(t *testing.T, addr netip.Addr) {
		options := withStates()
		options.Explicit = true
		tr := start(t, options)
		p := tcpSite(t, addr)
		wants, clients := explicitWorkload(p)
		wants = append(wants, wantOf(conn{sock: p.srv}, event.Explicit, event.Listening))
		tr.wait(2*crowd+1, "assigns", in(p.ns, lifetime.Assign))
		await(t, "states", func() bool { return heldSet(tr.latest(p.ns), false) == wantSet(wants) })
		checkHolds(t, tr.latest(p.ns), wants)
		for _, c := range clients {
			c.leave()
		}
		for _, r := range tr.wait(crowd, "releases", in(p.ns, lifetime.Release)) {
			if r.Reason != event.Closed {
				t.Errorf("port %d ended %q, want %q", r.Port, r.Reason, event.Closed)
			}
		}
		tr.stop()
		tr.wait(crowd+1, "holds at the end", in(p.ns, lifetime.HeldAtEnd))
	})
}

func wantSet(wants []want) string {
	var lines []string
	for _, w := range wants {
		lines = append(lines, setLine(w.proto, w.src, w.dst, w.state))
	}
	return sorted(lines)
}

// only asks for a few ports, as --port does.
func only(ports ...uint16) probe.Options {
	o := withStates()
	o.Ports, o.Explicit = new([1024]uint64), true
	for _, port := range ports {
		o.Ports[port>>6] |= 1 << (port & 63)
	}
	return o
}

// Named ports show explicit holds too, accepted sockets never.
func TestExplicitNamedPort(t *testing.T) {
	inFamilies(t, func(t *testing.T, addr netip.Addr) {
		tr := start(t, only(serverPort, 7101))
		p := tcpSite(t, addr)
		wants, _ := explicitWorkload(p)
		wants = append(wants[:2], wantOf(conn{sock: p.srv}, event.Explicit, event.Listening))
		await(t, "states", func() bool { return heldSet(tr.latest(p.ns), false) == wantSet(wants) })
		tr.stop()
		tr.wait(3, "assigns", in(p.ns, lifetime.Assign))
		tr.wait(3, "holds at the end", in(p.ns, lifetime.HeldAtEnd))
	})
}

// The kernel is to choose among a few ports until it chose each of them.
func TestPortFilter(t *testing.T) {
	const lo, hi, chosen = 50000, 50009, 50003
	inFamilies(t, func(t *testing.T, addr netip.Addr) {
		p := tcpSite(t, addr)
		tr := start(t, only(chosen))
		p.ns.Sysctl(t, "ipv4/ip_local_port_range", "50000 50009")
		var conns []conn
		for range hi - lo + 1 {
			conns = append(conns, connectBlocking(p))
		}
		h := tr.one("assigns", in(p.ns, lifetime.Assign))
		for _, c := range conns {
			c.leave()
		}
		r := tr.one("releases", in(p.ns, lifetime.Release))
		if h.Port != chosen || r.ID != h.ID || r.Reason != event.Closed {
			t.Errorf("got %s, then %q", describe(&h), r.Reason)
		}
		var states []event.State
		for _, s := range tr.all(in(p.ns, lifetime.State)) {
			states = append(states, s.Hold.State)
		}
		wanted := []event.State{event.Established, event.CloseWait, event.LastAck}
		if len(states) != 3 || [3]event.State(states) != [3]event.State(wanted) {
			t.Errorf("states %v, want %v", states, wanted)
		}
		tr.stop()
		for _, typ := range []lifetime.Type{lifetime.HeldAtStart, lifetime.HeldAtEnd, lifetime.Failure} {
			tr.wait(0, "other records", in(p.ns, typ))
		}
	})
}

// connect(), disconnect, connect() again: two holds of one socket.
func TestDisconnectAndConnect(t *testing.T) {
	all := start(t, withStates())
	inFamilies(t, func(t *testing.T, addr netip.Addr) {
		lockThread(t)
		p, tr := tcpSite(t, addr), all.with(t)
		var first, second []want
		var conns []conn
		for range crowd {
			c := connectBlocking(p)
			first = append(first, wantOf(c, event.Connect, event.Established))
			c.disconnect()
			c.peer.close()
			c.mustConnect(p.at)
			c = p.joined(c.sock)
			second = append(second, wantOf(c, event.Connect, event.Established))
			conns = append(conns, c)
		}
		tr.wait(2*crowd, "assigns", in(p.ns, lifetime.Assign))
		gone := tr.wait(crowd, "releases", in(p.ns, lifetime.Release))
		ended := byNumber(first)
		for _, r := range gone {
			w, ok := ended[number{r.Proto, r.Port}]
			if !ok || r.Reason != event.Disconnected || r.Dst != w.dst {
				t.Errorf("%s ended %q, want %q", describe(&r), r.Reason, event.Disconnected)
			}
		}
		tr.truth(p.ns)
		checkHolds(t, tr.latest(p.ns), second)
		checkOwners(t, tr.latest(p.ns), me(t))
		for _, c := range conns {
			c.leave()
		}
		tr.wait(2*crowd, "releases", in(p.ns, lifetime.Release))
		tr.truth(p.ns)
	})
}

// disconnect is connect() to AF_UNSPEC, which golang.org/x/sys does not offer.
func (s *sock) disconnect() {
	s.t.Helper()
	raw := unix.RawSockaddr{Family: unix.AF_UNSPEC}
	if err := rawConnect(s.fd, &raw); err != nil {
		s.t.Fatalf("disconnect: %v", err)
	}
}
