package scenario

import (
	"errors"
	"fmt"
	"testing"
	"time"

	"porttrace/internal/lifetime"
)

// What the kernel offers may change at any time, in namespaces that come and go while the
// trace goes on: failures are told with what it was at their moment, and no restart is
// needed. That one gets the number of another is package pool's to test.
func TestRangesAndNamespacesMayChange(t *testing.T) {
	tr := start(t, everything())
	for round := range 8 {
		// Its sockets, which keep a namespace alive, go with each part of the test.
		t.Run(fmt.Sprint(round), func(t *testing.T) {
			r := newRig(t, tr, v4)
			r.rangesChange(40000 + 1000*round)
			r.srv.close()
			r.ns.Destroy()
		})
	}
}

func (r *rig) rangesChange(lo int) {
	r.t.Helper()
	r.receiver()
	r.ns.Sysctl(r.t, "ipv4/ip_local_port_range", fmt.Sprintf("%d %d", lo, lo+3))
	attempts[1].fill(r, 4)
	r.awaitUsable(4)
	r.ns.Sysctl(r.t, "ipv4/ip_local_port_range", fmt.Sprintf("%d %d", lo, lo+7))
	attempts[1].fill(r, 4)
	r.awaitUsable(8)
	r.ns.Sysctl(r.t, "ipv4/ip_local_reserved_ports", fmt.Sprintf("%d-%d", lo, lo+2))
	r.awaitUsable(5)
	r.ns.Sysctl(r.t, "ipv4/ip_local_reserved_ports", "1") // none of the range
	r.awaitUsable(8)
	r.wait(8, "assigns", lifetime.Assign, ours)
	r.tr.truth(r.ns)
}

// awaitUsable asks for a port in vain until that is told with so many to choose from: a
// namespace that is gone is looked for once a second, and the next may have its number.
func (r *rig) awaitUsable(want int) {
	r.t.Helper()
	a, got := &attempts[1], 0
	for deadline := time.Now().Add(patience); time.Now().Before(deadline); {
		told := len(r.tr.all(r.in(lifetime.Failure)))
		s := a.socket(r)
		if err := a.ask(s, r.at); !errors.Is(err, a.errno) {
			r.t.Fatalf("%s without a free port: %v, want %v", a.name, err, a.errno)
		}
		s.close()
		f := r.wait(told+1, "failures", lifetime.Failure)[told].Failure
		if got = f.Usable; got == want && f.Cause == lifetime.RangeExhausted {
			return
		}
	}
	r.t.Fatalf("failures are told with %d usable ports, want %d", got, want)
}
