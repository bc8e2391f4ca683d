package scenario

import (
	"net/netip"
	"testing"

	"golang.org/x/sys/unix"

	"porttrace/internal/event"
	"porttrace/internal/lifetime"
	"porttrace/internal/probe"
)

func withExplicit() probe.Options {
	options := everything()
	options.Explicit = true
	return options
}

// The states of a bound socket that connects.
var boundEstablished = []event.State{event.Bound, event.SynSent, event.Established}

// An explicit port stays with the socket when the connection is over, until the socket
// is closed.
func TestReleaseExplicit(t *testing.T) {
	t.Parallel()
	tr := start(t, withExplicit())
	for _, tc := range []struct {
		name   string
		over   func(c *subject) // the connection ends, the descriptor stays open
		end    func(c *subject)
		reason event.Reason
		spent  []event.State
	}{
		{"RST by the peer", func(c *subject) { c.peer.resetOnClose(); c.peer.close() }, (*subject).close,
			event.Closed, nil},
		{"disconnected", func(c *subject) { c.disconnect() }, (*subject).close, event.Closed, nil},
		{"own RST", nil, func(c *subject) { c.resetOnClose(); c.close() }, event.Reset, nil},
		{"closed by the peer", func(c *subject) { c.peer.shutdown(unix.SHUT_WR) }, (*subject).close,
			event.Closed, []event.State{event.CloseWait, event.LastAck}},
	} {
		t.Run(tc.name, func(t *testing.T) {
			families(t, func(t *testing.T, addr netip.Addr) {
				r := newRig(t, tr, addr)
				conns := r.connectAll(r.bindAll(20000))
				r.checkHeld(conns, event.Explicit, event.Established)
				if tc.over != nil {
					r.end(conns, tc.over)
				}
				for _, c := range conns {
					r.checkTaken(c)
				}
				r.end(conns, tc.end)
				r.checkReleased(conns, expected{event.Explicit, tc.reason, append(boundEstablished[:3:3], tc.spent...)})
			})
		})
	}
}

// An explicit-bound socket that is closed while nobody answers.
func TestReleaseExplicitAborted(t *testing.T) {
	t.Parallel()
	tr := start(t, withExplicit())
	families(t, func(t *testing.T, addr netip.Addr) {
		r := newRig(t, tr, addr)
		r.srv.deafen()
		conns := r.bindAll(20000)
		for _, c := range conns {
			c.beginConnect(r.at)
		}
		r.checkHeld(conns, event.Explicit, event.SynSent)
		r.end(conns, (*subject).close)
		r.checkReleased(conns, expected{event.Explicit, event.Aborted, boundEstablished[:2]})
	})
}

// checkTaken checks that no other socket can have the port.
func (r *rig) checkTaken(c *subject) {
	r.t.Helper()
	other := tcpSock(r.t, r.ns, r.addr)
	defer other.close()
	if err := other.bind(c.src); err == nil {
		r.t.Fatalf("port %d is free and should be held", c.src.Port())
	}
	if n := len(r.tr.all(r.in(lifetime.Release, bySubject(c)))); n != 0 {
		r.t.Fatalf("port %d is told as released, and yet it is held\n%s", c.src.Port(), r.dump())
	}
}

// In TIME_WAIT two have the port, the mini-socket and the socket: the last to go
// releases it.
func TestReleaseExplicitTimeWait(t *testing.T) {
	t.Parallel()
	tr := start(t, withExplicit())
	states := append(boundEstablished[:3:3], event.FinWait1, event.FinWait2, event.TimeWait)
	families(t, func(t *testing.T, addr netip.Addr) {
		t.Run("the socket goes first", func(t *testing.T) {
			r := newRig(t, tr, addr)
			wire := newWire(t, r.ns, addr)
			conns := r.restExplicit()
			r.end(conns, (*subject).close)
			r.checkHeld(conns, event.Explicit, event.TimeWait)
			r.end(conns, func(c *subject) { wire.resetAfter(wire.finTo(c.src.Port())) })
			r.checkReleased(conns, expected{event.Explicit, event.TimeWaitKilled, states})
		})
		t.Run("the socket stays", func(t *testing.T) {
			r := newRig(t, tr, addr)
			wire := newWire(t, r.ns, addr)
			conns := r.restExplicit()
			r.end(conns, func(c *subject) { wire.resetAfter(wire.finTo(c.src.Port())) })
			over := r.awaitGone(conns)
			for _, c := range conns {
				r.checkTaken(c)
			}
			await(t, "a while without TIME_WAIT", func() bool { return r.now().Sub(over) > 10*blur })
			r.end(conns, (*subject).close)
			for _, got := range r.checkReleased(conns, expected{event.Explicit, event.Closed, states}) {
				if alone := got.Time.Sub(over); got.States[event.Bound] < alone-blur {
					t.Fatalf("port %d: without TIME_WAIT for %v, told as %v BOUND and %v TIME_WAIT",
						got.Port, alone, got.States[event.Bound], got.States[event.TimeWait])
				}
			}
		})
	})
}

// restExplicit brings explicit-bound sockets to TIME_WAIT, with the descriptors open.
func (r *rig) restExplicit() []*subject {
	r.t.Helper()
	conns := r.connectAll(r.bindAll(20000))
	r.end(conns, func(c *subject) { c.shutdown(unix.SHUT_WR) })
	r.await(conns, event.FinWait2)
	r.closePeers(conns)
	r.checkHeld(conns, event.Explicit, event.TimeWait)
	return conns
}

// A new connect from the same explicit port takes it over from TIME_WAIT.
func TestReleaseExplicitReused(t *testing.T) {
	t.Parallel()
	tr := start(t, withExplicit())
	families(t, func(t *testing.T, addr netip.Addr) {
		r := newRig(t, tr, addr)
		conns := make([]*subject, crowd)
		for i := range conns {
			c := r.client()
			c.set(unix.SOL_SOCKET, unix.SO_REUSEADDR, 1)
			conns[i] = r.took(c, func() { c.mustBind(netip.AddrPortFrom(addr, 20000+uint16(i))) })
			c.mustConnect(r.at)
			c.peer = r.srv.accept()
		}
		r.rest(conns)
		for _, c := range conns {
			next := tcpSock(t, r.ns, addr)
			next.set(unix.SOL_SOCKET, unix.SO_REUSEADDR, 1)
			next.mustBind(c.src)
			before := r.now()
			next.mustConnect(r.at)
			after := r.now()
			got := r.one("release", lifetime.Release, bySubject(c))
			r.checkEndedAt(&got, before, after)
			if got.Reason != event.TimeWaitReused {
				t.Fatalf("port %d: reason %q, want %q", got.Port, got.Reason, event.TimeWaitReused)
			}
		}
	})
}
