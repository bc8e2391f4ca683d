package scenario

import (
	"net/netip"
	"os"
	"strings"
	"testing"

	"golang.org/x/sys/unix"

	"porttrace/internal/event"
	"porttrace/internal/lifetime"
)

// checkSeen checks holds from before the start: what cannot be known is unknown, and
// the path, where it is told, is the right one.
func checkSeen(t testing.TB, holds []told, wants []want) {
	t.Helper()
	paths := byNumber(wants)
	for i := range holds {
		h := &holds[i]
		if h.Assigned != 0 || h.Search >= 0 {
			t.Errorf("%s: assigned %v after a search of %v, want both unknown", describe(h), h.Assigned.Time(), h.Search)
		}
		if h.Path == 0 {
			h.Path = paths[number{h.Proto, h.Port}].path
		}
	}
	checkHolds(t, holds, wants)
}

// leader is this process as an owner: a look sees the first thread at a descriptor.
func leader(t testing.TB) lifetime.Owner {
	t.Helper()
	comm, err := os.ReadFile("/proc/self/comm")
	if err != nil {
		t.Fatal(err)
	}
	pid := uint32(os.Getpid())
	return lifetime.Owner{PID: pid, TID: pid, UID: uint32(os.Getuid()), Comm: strings.TrimSpace(string(comm))}
}

// Every kind of hold that has a descriptor.
func TestBeforeStart(t *testing.T) {
	inFamilies(t, func(t *testing.T, addr netip.Addr) {
		p := tcpSite(t, addr)
		reachable(t, p.ns)
		var conns []conn
		var wants []want
		for _, w := range []way{tcpWays[0], tcpWays[3], tcpWays[4], tcpWays[5], tcpWays[6], tcpWays[7],
			{"listen", event.Listen, event.Listening, listenOnly, true}, udpWays[0], udpWays[1], udpWays[2]} {
			for range crowd {
				c := w.open(p)
				conns, wants = append(conns, c), append(wants, wantOf(c, w.path, w.state))
			}
		}
		tr := start(t, withStates())
		seen := tr.wait(len(wants), "holds at the start", in(p.ns, lifetime.HeldAtStart))
		checkSeen(t, seen, wants)
		checkOwners(t, seen, leader(t))
		tr.truth(p.ns)
		for _, c := range conns {
			c.leave()
		}
		for _, r := range tr.wait(len(wants), "releases", in(p.ns, lifetime.Release)) {
			if r.Reason != event.Closed {
				t.Errorf("%s ended %q, want %q", describe(&r), r.Reason, event.Closed)
			}
		}
		tr.truth(p.ns)
		tr.wait(0, "assigns", in(p.ns, lifetime.Assign))
	})
}

// What is left in the kernel when the program has closed has no owner any more.
func TestBeforeStartLeftovers(t *testing.T) {
	inFamilies(t, func(t *testing.T, addr netip.Addr) {
		p := tcpSite(t, addr)
		unname := reachable(t, p.ns)
		var orphans []conn
		var wants []want
		for range crowd {
			c := connectBlocking(p)
			wants = append(wants, wantOf(c, event.Connect, event.FinWait2))
			orphans = append(orphans, c)
			c.sock.close()
			c = connectBlocking(p)
			wants = append(wants, wantOf(c, event.Connect, event.TimeWait))
			c.sock.close()
			c.peer.close()
		}
		await(t, "leftovers", func() bool { return kernelSet(t, p.ns) == wantSet(wants) })
		tr := start(t, withStates())
		seen := tr.wait(2*crowd, "holds at the start", in(p.ns, lifetime.HeldAtStart))
		checkSeen(t, seen, wants)
		checkOwners(t, seen, lifetime.Owner{})
		for _, c := range orphans {
			c.peer.resetOnClose()
			c.peer.close()
		}
		tr.wait(crowd, "resets", in(p.ns, lifetime.Release, byReason(event.Reset)))
		tr.truth(p.ns)
		p.srv.close()
		unname()
		p.ns.Destroy()
		tr.wait(crowd, "ends with the namespace", in(p.ns, lifetime.Release, byReason(event.NetnsDestroyed)))
	})
}

// A connect() takes over a TIME_WAIT that is older than the trace.
func TestBeforeStartTimeWaitReused(t *testing.T) {
	inFamilies(t, func(t *testing.T, addr netip.Addr) {
		p := tcpSite(t, addr)
		reachable(t, p.ns)
		p.ns.Sysctl(t, "ipv4/ip_local_port_range", "50000 50000")
		p.ns.Sysctl(t, "ipv4/tcp_tw_reuse", "1")
		c := connectBlocking(p)
		w := wantOf(c, event.Connect, event.TimeWait)
		c.sock.close()
		c.peer.close()
		await(t, "TIME_WAIT", func() bool { return kernelSet(t, p.ns) == wantSet([]want{w}) })
		tr := start(t, withStates())
		checkSeen(t, tr.wait(1, "holds at the start", in(p.ns, lifetime.HeldAtStart)), []want{w})
		next := tcpSock(t, p.ns, addr)
		await(t, "reuse, a second after the FIN", func() bool { return next.connect(p.at) == nil })
		born := tr.one("assign", in(p.ns, lifetime.Assign))
		r := tr.one("release", in(p.ns, lifetime.Release))
		if r.Reason != event.TimeWaitReused || r.Time != born.Assigned {
			t.Errorf("%s ended %q at %v, want %q at %v", describe(&r), r.Reason, r.Time.Time(),
				event.TimeWaitReused, born.Assigned.Time())
		}
		tr.truth(p.ns)
	})
}

func byReason(reason event.Reason) func(*told) bool {
	return func(r *told) bool { return r.Reason == reason }
}

// A listener on a port of the kernel's choice is a hold; what it accepts is not.
func TestBeforeStartAccepted(t *testing.T) {
	inFamilies(t, func(t *testing.T, addr netip.Addr) {
		p := tcpSite(t, addr)
		listener := bindListen(p)
		wants := []want{wantOf(listener, event.Bind, event.Listening)}
		p.srv, p.at = listener.sock, listener.local()
		for range crowd {
			wants = append(wants, wantOf(connectBlocking(p), event.Connect, event.Established))
		}
		tr := start(t, withStates())
		checkSeen(t, tr.wait(crowd+1, "holds at the start", in(p.ns, lifetime.HeldAtStart)), wants)
		listener.close()
		r := tr.one("release", in(p.ns, lifetime.Release))
		if r.Port != p.at.Port() || r.Reason != event.Closed {
			t.Errorf("%s ended %q", describe(&r), r.Reason)
		}
		tr.stop()
		tr.wait(crowd, "holds at the end", in(p.ns, lifetime.HeldAtEnd))
	})
}

// Nor is what one accepted that has gone before the trace, neither now nor in TIME_WAIT, where
// nothing else tells that it was accepted.
func TestBeforeStartAcceptedByOneGone(t *testing.T) {
	inFamilies(t, func(t *testing.T, addr netip.Addr) {
		p := tcpSite(t, addr)
		reachable(t, p.ns)
		listener := bindListen(p)
		p.srv, p.at = listener.sock, listener.local()
		var conns []conn
		for range crowd {
			conns = append(conns, connectBlocking(p))
		}
		listener.close()
		tr := start(t, withStates())
		tr.wait(crowd, "holds at the start", in(p.ns, lifetime.HeldAtStart))
		for _, c := range conns {
			c.peer.close()
			c.awaitTCP(unix.BPF_TCP_CLOSE_WAIT)
			c.sock.close()
		}
		tr.wait(crowd, "releases", in(p.ns, lifetime.Release, byReason(event.Closed)))
		tr.stop()
		tr.wait(0, "found by the audit", in(p.ns, lifetime.Assign))
		tr.wait(0, "holds at the end", in(p.ns, lifetime.HeldAtEnd))
	})
}

// What a server that has gone left in TIME_WAIT tells itself apart by being out of the range,
// which may grow later.
func TestBeforeStartRangeGrows(t *testing.T) {
	inFamilies(t, func(t *testing.T, addr netip.Addr) {
		p := tcpSite(t, addr)
		reachable(t, p.ns)
		p.ns.Sysctl(t, "ipv4/ip_local_port_range", "50000 50999")
		for range crowd {
			c := connectBlocking(p)
			c.peer.close()
			c.awaitTCP(unix.BPF_TCP_CLOSE_WAIT)
			c.sock.close()
		}
		p.srv.close()
		tr := start(t, withStates())
		p.ns.Sysctl(t, "ipv4/ip_local_port_range", "1024 60999")
		tr.stop()
		tr.wait(0, "held at the start", in(p.ns, lifetime.HeldAtStart))
		tr.wait(0, "found by the audit", in(p.ns, lifetime.Assign))
	})
}

func TestBeforeStartExplicit(t *testing.T) {
	p := tcpSite(t, v4)
	wants, _ := explicitWorkload(p)
	wants = append(wants, wantOf(conn{sock: p.srv}, event.Explicit, event.Listening))
	for _, option := range []bool{false, true} {
		options := everything()
		options.Explicit = option
		tr := start(t, options)
		if option {
			checkSeen(t, tr.all(in(p.ns, lifetime.HeldAtStart)), wants)
		} else {
			tr.wait(0, "holds at the start", in(p.ns, lifetime.HeldAtStart))
		}
		tr.stop()
	}
}

func TestBeforeStartOtherProcess(t *testing.T) {
	p := tcpSite(t, v4)
	c := startChild(t, p.ns, "make")
	_, wants := c.makes(p)
	tr := start(t, withStates())
	seen := tr.wait(3*crowd, "holds at the start", in(p.ns, lifetime.HeldAtStart))
	checkSeen(t, seen, wants)
	c.checkOwns(seen)
	tr.truth(p.ns)
	c.kill()
	tr.wait(2*crowd, "releases", in(p.ns, lifetime.Release, byReason(event.Closed)))
	tr.truth(p.ns) // FIN_WAIT2 orphans
	c.checkOwns(tr.latest(p.ns))
}

func TestBeforeStartMPTCP(t *testing.T) {
	inFamilies(t, func(t *testing.T, addr netip.Addr) {
		p := tcpSite(t, addr)
		reachable(t, p.ns)
		var wants []want
		var conns []conn
		for range crowd {
			c := mptcpBindListen(p)
			conns, wants = append(conns, c), append(wants, wantOf(c, event.Bind, event.Listening))
		}
		tr := start(t, withStates())
		seen := tr.wait(crowd, "holds at the start", in(p.ns, lifetime.HeldAtStart))
		checkSeen(t, seen, wants)
		checkOwners(t, seen, leader(t))
		for _, c := range conns {
			c.close()
		}
		tr.wait(crowd, "releases", in(p.ns, lifetime.Release))
		tr.truth(p.ns)
	})
}
