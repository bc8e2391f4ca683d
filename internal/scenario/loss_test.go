package scenario

import (
	"net/netip"
	"testing"

	"porttrace/internal/event"
	"porttrace/internal/lifetime"
	"porttrace/internal/probe"
	"porttrace/internal/testutil"
)

// A ring of one page, and a reader that stands still: what was lost is said, and the
// held set becomes true again.
func TestLossesArePutRight(t *testing.T) {
	options := withStates()
	options.BufferSize = 4096
	tr := start(t, options)
	tr.lossy = true
	families(t, func(t *testing.T, addr netip.Addr) {
		r := newRig(t, tr, addr)
		early := r.open()
		tr.wait(len(early), "assigns", r.in(lifetime.Assign))
		tr.source.stalled.Lock()
		late := r.open()
		for _, c := range early[:crowd/2] {
			c.resetOnClose()
			c.close()
		}
		tr.source.stalled.Unlock()
		tr.truth(r.ns)
		for _, c := range append(early[crowd/2:], late...) {
			c.resetOnClose()
			c.close()
		}
		tr.truth(r.ns)
	})
	end := tr.stop()
	if end.Lost == 0 || end.Reconciled == 0 || end.Discrepancies != 0 || end.Complete {
		t.Errorf("the end says %+v", *end)
	}
	var lost uint64
	var reconciled int64
	for _, r := range tr.all(func(r *told) bool { return r.Type == lifetime.Lost }) {
		lost += r.Lost.Events
		reconciled += max(r.Lost.Reconciled, 0)
	}
	if lost != end.Lost || reconciled != int64(end.Reconciled) {
		t.Errorf("%d events lost and %d holds reconciled, the end says %+v", lost, reconciled, *end)
	}
}

// More holds than are to be followed: the rest is counted, and taken in when there is
// room again.
func TestMoreHoldsThanFollowed(t *testing.T) {
	const followed, more = 32, 18
	ns := testutil.NewNetNS(t)
	reachable(t, ns)
	tr := start(t, probe.Options{UDP: true, IPv4: true, IPv6: true, NetNS: ns.Inode, MaxHolds: followed})
	tr.lossy = true
	var socks []*sock
	for range followed + more {
		s := udpSock(t, ns, v4)
		s.mustBind(netip.AddrPortFrom(v4, 0))
		socks = append(socks, s)
	}
	tr.wait(followed, "assigns", in(ns, lifetime.Assign))
	var lost uint64
	defer func() { t.Logf("%d events lost", lost) }()
	await(t, "what was lost is told", func() bool {
		lost = 0
		for _, r := range tr.all(func(r *told) bool { return r.Type == lifetime.Lost && r.Lost.Where == "map" }) {
			lost += r.Lost.Events
		}
		return lost == more
	})
	for _, s := range socks[:20] {
		s.close()
	}
	tr.wait(20, "releases", in(ns, lifetime.Release))
	tr.truth(ns)
	tr.truthAtEnd(ns)
	late := tr.all(in(ns, lifetime.Assign, func(r *told) bool { return r.Assigned == 0 }))
	if len(late) != more {
		t.Errorf("%d holds were found later, want %d", len(late), more)
	}
	if ends := tr.all(func(r *told) bool { return r.Type == lifetime.End }); ends[0].End.Discrepancies != 0 {
		t.Errorf("%d of them are told as a fault", ends[0].End.Discrepancies)
	}
}

// A tracer whose hooks see nothing, and count nothing as lost, finds out by itself.
func TestBlindHooksAreFoundOut(t *testing.T) {
	ns := testutil.NewNetNS(t)
	reachable(t, ns)
	tr := start(t, probe.Options{TCP: true, UDP: true, IPv4: true, IPv6: true, NetNS: ns.Inode})
	tr.lossy = true
	var early, late [crowd]*sock
	for i := range early {
		early[i] = udpSock(t, ns, v4)
		early[i].mustBind(netip.AddrPortFrom(v4, 0))
	}
	tr.wait(crowd, "assigns", in(ns, lifetime.Assign))
	tr.source.stalled.Lock()
	err := tr.probe.Detach()
	tr.source.stalled.Unlock()
	if err != nil {
		t.Fatal(err)
	}
	for i := range late {
		late[i] = udpSock(t, ns, v6)
		late[i].mustBind(netip.AddrPortFrom(v6, 0))
		early[i].close()
	}
	end := tr.stop()
	// We bound and closed them ourselves: no task that the kernel hides has to do with it.
	if end.Reconciled != 2*crowd || end.Discrepancies != 2*crowd || end.Lost != 0 || end.Complete || end.Held != crowd {
		t.Errorf("the end says %+v", *end)
	}
	for _, r := range tr.all(in(ns, lifetime.Release)) {
		if r.Reason != event.Vanished {
			t.Errorf("released: %s, reason %s", describe(&r), r.Reason)
		}
	}
	if len(tr.corrections) == 0 {
		t.Error("no details are told")
	}
}
