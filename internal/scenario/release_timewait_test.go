package scenario

import (
	"errors"
	"net/netip"
	"slices"
	"testing"
	"time"

	"github.com/cilium/ebpf/btf"
	"golang.org/x/sys/unix"

	"porttrace/internal/event"
	"porttrace/internal/lifetime"
)

// throughTimeWait are the states of a connection that we close first.
var throughTimeWait = append(closedFirst[:4:4], event.TimeWait)

// rest brings connections to TIME_WAIT.
func (r *rig) rest(conns []*subject) {
	r.t.Helper()
	r.end(conns, (*subject).close)
	r.await(conns, event.FinWait2) // two FINs on their way would make it CLOSING
	r.closePeers(conns)
	r.await(conns, event.TimeWait)
}

// restUnheard is rest for peers that do not hear our ACK and send their FIN again, for
// some seconds.
func (r *rig) restUnheard(conns []*subject) {
	r.t.Helper()
	r.end(conns, (*subject).close)
	r.await(conns, event.FinWait2)
	for _, c := range conns {
		c.peer.set(unix.IPPROTO_TCP, unix.TCP_USER_TIMEOUT, 5000)
		c.peer.deafen()
	}
	r.closePeers(conns)
	r.await(conns, event.TimeWait)
}

// tellsEntry says whether a mini-socket knows when its TIME_WAIT began (6.14, tcp: Add
// sysctl to configure TIME-WAIT reuse delay): its timer tells the last FIN only.
func tellsEntry(t *testing.T) bool {
	t.Helper()
	spec, err := btf.LoadKernelSpec()
	if err != nil {
		t.Fatalf("reading the kernel's BTF: %v", err)
	}
	var tw *btf.Struct
	if err := spec.TypeByName("inet_timewait_sock", &tw); err != nil {
		t.Fatalf("reading the kernel's BTF: %v", err)
	}
	return slices.ContainsFunc(tw.Members, func(m btf.Member) bool { return m.Name == "tw_entry_stamp" })
}

// tails hears a FIN of the server to each.
func (w *wire) tails(conns []*subject) map[*subject]segment {
	fins, ports := map[*subject]segment{}, map[uint16]*subject{}
	for _, c := range conns {
		ports[c.src.Port()] = c
	}
	for len(fins) < len(conns) {
		fin := w.next("a FIN", func(s segment) bool { return s.from == conns[0].dst && s.has(flagFIN) })
		if c := ports[fin.to.Port()]; c != nil {
			fins[c] = fin
		}
	}
	return fins
}

// Only the RST that fits ends it (RFC 1337); a FIN again restarts its clock.
func TestReleaseTimeWaitKilled(t *testing.T) {
	t.Parallel()
	tr := start(t, everything())
	families(t, func(t *testing.T, addr netip.Addr) {
		r := newRig(t, tr, addr)
		wire := newWire(t, r.ns, addr)
		conns := r.open()
		r.restUnheard(conns)
		wire.tails(conns)
		fins := wire.tails(conns)
		again := r.now()
		r.checkHeld(conns, event.Connect, event.TimeWait)
		await(t, "some time in TIME_WAIT", func() bool { return r.now().Sub(again) > 2*blur })
		r.end(conns, func(c *subject) { wire.resetAfter(fins[c]) })
		for i, got := range r.checkReleased(conns, expected{event.Connect, event.TimeWaitKilled, throughTimeWait}) {
			if tellsEntry(t) {
				r.checkFinWait2(conns[i], &got)
			}
			r.checkFree(conns[i])
		}
	})
}

// A SYN from the peer's port ends it where a listener waits for it.
func TestReleaseTimeWaitMetBySyn(t *testing.T) {
	t.Parallel()
	tr := start(t, everything())
	families(t, func(t *testing.T, addr netip.Addr) {
		r := newRig(t, tr, addr)
		conns := make([]*subject, crowd)
		for i := range conns {
			c := r.client()
			c.set(unix.SOL_SOCKET, unix.SO_REUSEADDR, 1)
			conns[i] = r.took(c, func() { c.mustConnect(r.at) })
			c.peer = r.srv.accept()
		}
		r.rest(conns)
		r.srv.close()
		r.end(conns, func(c *subject) {
			listener := serverAt(t, r.ns, c.src)
			caller := tcpSock(t, r.ns, addr)
			caller.set(unix.SOL_SOCKET, unix.SO_REUSEADDR, 1)
			caller.mustBind(c.dst)
			caller.mustConnect(c.src)
			caller.resetOnClose()
			caller.close()
			listener.close()
		})
		r.checkReleased(conns, expected{event.Connect, event.TimeWaitKilled, throughTimeWait})
	})
}

// No room for a mini-socket: the port is free at once, or after FIN_WAIT2 never comes.
func TestReleaseNoTimeWait(t *testing.T) {
	t.Parallel()
	tr := start(t, everything())
	for _, tc := range []struct {
		name  string
		end   func(c *subject)
		spent []event.State
	}{
		{"half-close", func(c *subject) { c.shutdown(unix.SHUT_WR); c.peer.awaitInput(); c.peer.close() }, closedFirst},
		{"close", (*subject).close, closedFirst},
	} {
		t.Run(tc.name, func(t *testing.T) {
			families(t, func(t *testing.T, addr netip.Addr) {
				r := newRig(t, tr, addr)
				r.ns.Sysctl(t, "ipv4/tcp_max_tw_buckets", "0")
				conns := r.open()
				r.end(conns, tc.end)
				r.checkReleased(conns, expected{event.Connect, event.Closed, tc.spent})
			})
		})
	}
}

// One port, many destinations: a connect to each takes the port over from TIME_WAIT.
func TestReleaseTimeWaitReused(t *testing.T) {
	t.Parallel()
	tr := start(t, everything())
	for _, tc := range []struct {
		name, reuse string
		addr        netip.Addr
	}{{"loopback only", "2", v4}, {"everywhere", "1", v6}} {
		t.Run(tc.name, func(t *testing.T) {
			r := newRig(t, tr, tc.addr)
			r.ns.Sysctl(t, "ipv4/tcp_tw_reuse", tc.reuse)
			r.ns.Sysctl(t, "ipv4/ip_local_port_range", "41000 41000")
			servers := make([]*sock, crowd)
			for i := range servers {
				at := netip.AddrPortFrom(tc.addr, uint16(20000+i))
				servers[i] = serverAt(t, r.ns, at)
				c := tcpSock(t, r.ns, tc.addr)
				c.mustConnect(at)
				peer := servers[i].accept()
				c.close()
				peer.awaitInput() // two FINs on their way would make it CLOSING
				peer.close()
			}
			refused := 0
			for i := range servers {
				refused += r.reconnect(netip.AddrPortFrom(tc.addr, uint16(20000+i)))
			}
			r.wait(2*crowd, "assigns", lifetime.Assign)
			r.wait(refused, "failures", lifetime.Failure)
			for i := range servers {
				r.checkReuse(netip.AddrPortFrom(tc.addr, uint16(20000+i)))
			}
		})
	}
}

// reconnect connects as soon as the kernel lets it, a second after TIME_WAIT began
// (tcp_twsk_unique), and returns how often it did not.
func (r *rig) reconnect(to netip.AddrPort) (refused int) {
	r.t.Helper()
	next := tcpSock(r.t, r.ns, r.addr)
	for deadline := time.Now().Add(patience); ; refused++ {
		err := next.connect(to)
		if err == nil {
			return refused
		}
		if !errors.Is(err, unix.EADDRNOTAVAIL) || time.Now().After(deadline) {
			r.t.Fatalf("connect to %s while in TIME_WAIT: %v", to, err)
		}
		time.Sleep(50 * time.Millisecond)
	}
}

func (r *rig) checkReuse(to netip.AddrPort) {
	r.t.Helper()
	assigns := r.wait(2, "assigns", lifetime.Assign, byDst(to))
	old := r.one("release", lifetime.Release, byDst(to))
	if old.Reason != event.TimeWaitReused || old.ID != assigns[0].ID {
		r.t.Errorf("to %s: hold %d ended %q, want hold %d %q", to, old.ID, old.Reason, assigns[0].ID, event.TimeWaitReused)
	}
	if old.Time != assigns[1].Time {
		r.t.Errorf("to %s: the old hold ended %v after the new one was assigned", to, old.Time.Sub(assigns[1].Time))
	}
	r.checkStates(&old, throughTimeWait)
	if assigns[1].Path != event.Connect || !isOwn(assigns[1].Owner) {
		r.t.Errorf("to %s: new hold by %q of %+v", to, assigns[1].Path, assigns[1].Owner)
	}
}
