package scenario

import (
	"errors"
	"net/netip"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"porttrace/internal/event"
	"porttrace/internal/lifetime"
)

// dial starts many connects that nobody answers.
func (r *rig) dial() []*subject {
	r.t.Helper()
	r.srv.deafen()
	conns := make([]*subject, crowd)
	for i := range conns {
		c := r.client()
		conns[i] = r.took(c, func() { c.beginConnect(r.at) })
	}
	r.checkHeld(conns, event.Connect, event.SynSent)
	return conns
}

// Nothing is answered: each ends in SYN_SENT.
func TestReleaseSynSent(t *testing.T) {
	t.Parallel()
	tr := start(t, everything())
	for _, tc := range []struct {
		name   string
		end    func(c *subject)
		reason event.Reason
	}{
		{"aborted", (*subject).close, event.Aborted},
		{"aborted: SO_LINGER 0", func(c *subject) { c.resetOnClose(); c.close() }, event.Aborted},
		{"disconnected", func(c *subject) { c.disconnect() }, event.Disconnected},
		{"disconnected: shutdown", func(c *subject) { c.shutdown(unix.SHUT_RDWR) }, event.Disconnected},
	} {
		t.Run(tc.name, func(t *testing.T) {
			families(t, func(t *testing.T, addr netip.Addr) {
				r := newRig(t, tr, addr)
				conns := r.dial()
				r.end(conns, tc.end)
				r.checkReleased(conns, expected{event.Connect, tc.reason, []event.State{event.SynSent}})
			})
		})
	}
}

func TestReleaseICMP(t *testing.T) {
	t.Parallel()
	tr := start(t, everything())
	families(t, func(t *testing.T, addr netip.Addr) {
		r := newRig(t, tr, addr)
		wire := newWire(t, r.ns, addr)
		conns := r.dial()
		r.end(conns, func(c *subject) { wire.unreachable(wire.synFrom(c.src.Port())) })
		r.checkReleased(conns, expected{event.Connect, event.Unreachable, []event.State{event.SynSent}})
	})
}

func TestReleaseRefused(t *testing.T) {
	t.Parallel()
	tr := start(t, everything())
	families(t, func(t *testing.T, addr netip.Addr) {
		r := newRig(t, tr, addr)
		r.at = netip.AddrPortFrom(addr, 7778) // nobody listens
		began := r.now()
		for range crowd {
			if err := r.client().connect(r.at); !errors.Is(err, unix.ECONNREFUSED) {
				t.Fatalf("connect: %v, want %v", err, unix.ECONNREFUSED)
			}
		}
		over := r.now()
		r.wantReleases(crowd, event.Connect, event.Refused)
		for _, got := range r.wait(crowd, "releases", lifetime.Release) {
			r.checkStates(&got, []event.State{event.SynSent})
			r.checkEndedAt(&got, began, over)
			if got.Dst != r.at {
				t.Errorf("port %d: destination %s, want %s", got.Port, got.Dst, r.at)
			}
		}
	})
}

// What the kernel gives up after 7 s: one SYN, more after 1 and 3 s, 4 s of waiting.
func TestReleaseTimedOut(t *testing.T) {
	t.Parallel()
	tr := start(t, everything())
	var rigs []*rig
	var all [][]*subject
	for _, addr := range []netip.Addr{v4, v6} {
		r := newRig(t, tr, addr)
		r.ns.Sysctl(t, "ipv4/tcp_syn_retries", "2")
		rigs, all = append(rigs, r), append(all, r.dial())
	}
	for i, r := range rigs {
		for _, got := range r.checkReleased(all[i], expected{event.Connect, event.TimedOut, []event.State{event.SynSent}}) {
			r.checkSpent(&got, event.SynSent, 7*time.Second, 7*time.Second*9/8+moment)
		}
	}
}
