package scenario

import (
	"net/netip"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"porttrace/internal/event"
	"porttrace/internal/ktime"
	"porttrace/internal/lifetime"
)

// The states of a connection that we close first, up to the peer's FIN.
var closedFirst = []event.State{event.SynSent, event.Established, event.FinWait1, event.FinWait2}

// orphan closes each client while its peer stays open: FIN_WAIT2, in a mini-socket.
func (r *rig) orphan() []*subject {
	r.t.Helper()
	conns := r.open()
	r.end(conns, (*subject).close)
	r.checkHeld(conns, event.Connect, event.FinWait2)
	return conns
}

// A mini-socket in FIN_WAIT2 ends when the peer resets it, or sends what nobody will
// read.
func TestReleaseFinWait2Reset(t *testing.T) {
	t.Parallel()
	tr := start(t, everything())
	for name, end := range map[string]func(c *subject){
		"RST":  func(c *subject) { c.peer.resetOnClose(); c.peer.close() },
		"data": func(c *subject) { c.peer.send("too late") },
	} {
		t.Run(name, func(t *testing.T) {
			families(t, func(t *testing.T, addr netip.Addr) {
				r := newRig(t, tr, addr)
				conns := r.orphan()
				r.end(conns, end)
				r.checkReleased(conns, expected{event.Connect, event.Reset, closedFirst})
			})
		})
	}
}

// The peer never closes: tcp_fin_timeout ends it.
func TestReleaseFinWait2TimedOut(t *testing.T) {
	t.Parallel()
	tr := start(t, everything())
	var rigs []*rig
	var all [][]*subject
	for _, addr := range []netip.Addr{v4, v6} {
		r := newRig(t, tr, addr)
		r.ns.Sysctl(t, "ipv4/tcp_fin_timeout", "5")
		rigs, all = append(rigs, r), append(all, r.orphan())
	}
	for i, r := range rigs {
		for _, got := range r.checkReleased(all[i], expected{event.Connect, event.TimedOut, closedFirst}) {
			// the timer wheel adds up to an eighth (kernel/time/timer.c)
			r.checkSpent(&got, event.FinWait2, 5*time.Second, 5*time.Second*9/8+moment)
		}
	}
}

// The peer closes at once, when the timer stays in its slot and no hook sees it, and
// after more than 3 s, when it does not. A RST tells what the recording thinks.
func TestReleaseFinWait2ToTimeWait(t *testing.T) {
	t.Parallel()
	tr := start(t, everything())
	var rigs []*rig
	for _, late := range []time.Duration{0, 3100 * time.Millisecond} {
		for _, addr := range []netip.Addr{v4, v6} {
			rigs = append(rigs, newRig(t, tr, addr))
			rigs[len(rigs)-1].late = late
		}
	}
	all, wires := make([][]*subject, len(rigs)), make([]*wire, len(rigs))
	for i, r := range rigs {
		wires[i] = newWire(t, r.ns, r.addr)
		all[i] = r.orphan()
	}
	for i, r := range rigs {
		r.closePeers(all[i])
		r.await(all[i], event.TimeWait)
	}
	for i, r := range rigs {
		r.end(all[i], func(c *subject) { wires[i].resetAfter(wires[i].finTo(c.src.Port())) })
		want := expected{event.Connect, event.TimeWaitKilled, append(closedFirst[:4:4], event.TimeWait)}
		for j, got := range r.checkReleased(all[i], want) {
			r.checkFinWait2(all[i][j], &got)
		}
	}
}

// closePeers closes the server's ends when each client has been closed for r.late.
func (r *rig) closePeers(conns []*subject) {
	for _, c := range conns {
		time.Sleep(r.late - r.now().Sub(c.ended))
		c.peerEnded[0] = r.now()
		c.peer.close()
		c.peerEnded[1] = r.now()
	}
}

// checkFinWait2 checks the time between our close and the peer's to a few jiffies.
func (r *rig) checkFinWait2(c *subject, got *told) {
	r.t.Helper()
	began := got.Assigned
	for _, s := range []event.State{event.Bound, event.SynSent, event.Established, event.FinWait1} {
		began += ktime.Wall(got.States[s])
	}
	r.checkSpent(got, event.FinWait2, c.peerEnded[0].Sub(began), c.peerEnded[1].Sub(began))
}

// The same without an end: what is held at the stop shows it.
func TestHeldTimeWaitAtEnd(t *testing.T) {
	t.Parallel()
	tr := start(t, everything())
	r := newRig(t, tr, v4)
	conns := r.orphan()
	r.closePeers(conns)
	r.await(conns, event.TimeWait)
	tr.stop()
	held := r.wait(crowd, "held at the end", lifetime.HeldAtEnd)
	for _, c := range conns {
		got := r.one("held", lifetime.HeldAtEnd, bySubject(c))
		if got.Hold.State != event.TimeWait {
			t.Errorf("port %d of %d is held in %s, want %s", got.Port, len(held), got.Hold.State, event.TimeWait)
		}
		r.checkFinWait2(c, &got)
	}
}

// With a record for each state, also the one that no hook sees is told.
func TestStatesTellTimeWait(t *testing.T) {
	t.Parallel()
	options := everything()
	options.States = true
	tr := start(t, options)
	for _, late := range []time.Duration{0, 200 * time.Millisecond} {
		r := newRig(t, tr, v4)
		r.late = late
		conns := r.orphan()
		r.closePeers(conns)
		r.await(conns, event.TimeWait)
		entered := func(got *told) bool { return got.Hold.State == event.TimeWait }
		r.wait(crowd, "entered TIME_WAIT", lifetime.State, entered)
	}
}

// Both close at once: the FINs cross, and we see the peer's before its ACK.
func TestReleaseSimultaneousClose(t *testing.T) {
	t.Parallel()
	tr := start(t, everything())
	families(t, func(t *testing.T, addr netip.Addr) {
		r := newRig(t, tr, addr)
		wire := newWire(t, r.ns, addr)
		conns := r.open()
		for _, c := range conns {
			c.deafen()
			c.peer.deafen()
			c.shutdown(unix.SHUT_WR)
			c.peer.shutdown(unix.SHUT_WR)
		}
		r.checkHeld(conns, event.Connect, event.FinWait1)
		for _, c := range conns {
			c.hearAgain()
		}
		r.checkHeld(conns, event.Connect, event.Closing)
		for _, c := range conns {
			c.peer.hearAgain()
		}
		r.checkHeld(conns, event.Connect, event.TimeWait)
		r.end(conns, func(c *subject) { wire.resetAfter(wire.finTo(c.src.Port())) })
		r.checkReleased(conns, expected{event.Connect, event.TimeWaitKilled, []event.State{
			event.SynSent, event.Established, event.FinWait1, event.Closing, event.TimeWait,
		}})
	})
}
