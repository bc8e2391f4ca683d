package scenario

import (
	"fmt"
	"strings"

	"porttrace/internal/lifetime"
)

// rarely is how much a kernel may keep from us: one of many, or a crowd whose timers run
// out at the same time.
func rarely(end *lifetime.EndInfo) uint64 { return crowd + (end.BeforeStart+end.Assigned)/20 }

// amiss lists what was lost where, the hooks that the kernel skipped, and what was put right,
// as far as it is told in detail.
func (tr *trace) amiss() string {
	var b strings.Builder
	for _, r := range tr.all(func(r *told) bool { return r.Type == lifetime.Lost }) {
		fmt.Fprintf(&b, "  lost %d: %s\n", r.Lost.Events, r.Lost.Where)
	}
	hooks, err := tr.probe.Stats()
	if err != nil {
		fmt.Fprintf(&b, "  %v\n", err)
	}
	for _, h := range hooks {
		if h.Misses != 0 {
			fmt.Fprintf(&b, "  skipped %d times: %s\n", h.Misses, h.Name)
		}
	}
	for _, c := range tr.corrections {
		h := &c.Hold
		fmt.Fprintf(&b, "  difference %d: ns %d %s %s:%d -> %s %s %s by %s/%d\n", c.Was, h.NetNS, h.Proto, h.Src, h.Port, h.Dst, h.Path, h.State, h.Owner.Comm, h.Owner.PID)
	}
	return b.String()
}

// unseen is how many events the kernel showed to no hook, such as those of a softirq that came
// where both instances of it were at work, the first in a task that waits for the CPU. Of what
// it hides some may be taken for a fault of ours, but never more than is known to be hidden.
func (tr *trace) unseen() (events uint64) {
	for _, r := range tr.all(func(r *told) bool { return r.Type == lifetime.Lost }) {
		if r.Lost.Where == "hidden" || r.Lost.Where == "recursion" {
			events += r.Lost.Events
		}
	}
	return events
}
