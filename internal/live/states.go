package live

import (
	"time"

	"porttrace/internal/event"
	"porttrace/internal/ktime"
	"porttrace/internal/netns"
	"porttrace/internal/probe"
)

// refresher looks at a namespace's TCP states when a search for a port fails there: why
// the ports are used up, in TIME_WAIT or not, is what a failure is to be told with, and
// the hooks do not tell states that nobody asked for.
type refresher struct {
	looked map[uint32]ktime.Time // by namespace
	failed error
}

// stateAge is how old the states may be.
const stateAge = time.Second

func (r *refresher) isWanted(e *event.Event) bool {
	if e.Kind != event.Failure || e.Hold.Proto != event.TCP {
		return false
	}
	last, ok := r.looked[e.Hold.NetNS]
	if ok && e.Time < last.Add(stateAge) {
		return false
	}
	if r.looked == nil || len(r.looked) >= 1<<10 {
		r.looked = map[uint32]ktime.Time{}
	}
	r.looked[e.Hold.NetNS] = e.Time
	return true
}

func (r *refresher) look(p *probe.Probe, e *event.Event, handle func(*event.Event)) {
	ns, ok := netns.Find(e.Hold.NetNS, e.Hold.Owner.PID)
	if !ok {
		return
	}
	if err := p.LookTCP(ns, handle); err != nil && !netns.IsOutOfReach(err) {
		r.failed = err
	}
}
