package scenario

import (
	"fmt"
	"os"
	"strings"

	"porttrace/internal/lifetime"
)

// rarely is how much a kernel may keep from us: one of many, or a crowd whose timers run
// out at the same time.
func rarely(end *lifetime.EndInfo) uint64 { return crowd + (end.BeforeStart+end.Assigned)/20 }

// amiss lists what was put right, as far as it is told in detail.
func (tr *trace) amiss() string {
	var b strings.Builder
	for _, c := range tr.corrections {
		h := &c.Hold
		fmt.Fprintf(&b, "  difference %d: ns %d %s %s:%d -> %s %s %s by %s/%d\n", c.Was, h.NetNS, h.Proto, h.Src, h.Port, h.Dst, h.Path, h.State, h.Owner.Comm, h.Owner.PID)
	}
	return b.String()
}

// unseen is how many events the kernel showed to no hook, such as one that came where both
// instances of it were at work in somebody's storm; skips are excused by nobody else's storm on a machine
// of our own. Of what it hides some may be taken for a fault of ours, but never more than is
// known to be hidden.
func (tr *trace) unseen() (events uint64) {
	for _, r := range tr.all(func(r *told) bool { return r.Type == lifetime.Lost }) {
		if r.Lost.Where == "hidden" || r.Lost.Where == "recursion" && os.Getenv(ownMachine) != "1" {
			events += r.Lost.Events
		}
	}
	return events
}
