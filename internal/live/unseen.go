package live

import (
	"time"

	"porttrace/internal/event"
	"porttrace/internal/ktime"
	"porttrace/internal/netns"
	"porttrace/internal/probe"
)

// unseen remembers where something happens that no hook of the stable set can see, so
// that an iterator looks there a moment later: a UDP connect() that chooses a port, and,
// where states are asked for, a mini-socket that goes from FIN_WAIT2 to TIME_WAIT. Most
// are over by then, told by the hook that ends them, and cost nothing.
type unseen struct {
	places map[place]*watch
}

type place struct {
	netns uint32
	proto event.Proto
}

// watch says when to look at a place, and for how long.
type watch struct {
	tid   uint32 // of a thread likely to live there
	next  ktime.Time
	delay time.Duration
	until ktime.Time
}

const (
	// firstDelay lets a burst be seen at one look.
	firstDelay = 50 * time.Millisecond
	// lastDelay is how late the end of FIN_WAIT2 is told, at the most.
	lastDelay = time.Second
	// connecting is how long a connect() may take from our hook to its port: it may have
	// to wait for the CPU.
	connecting = time.Second
	// finWait2 is how long a peer may take to send its FIN (tcp_fin_timeout).
	finWait2 = 61 * time.Second
)

func (u *unseen) note(e *event.Event, states bool) {
	var lasts time.Duration
	switch {
	case e.Kind == event.Pending:
		lasts = connecting
	case states && e.Kind == event.Entered && e.Hold.State == event.FinWait2:
		lasts = finWait2
	default:
		return
	}
	if u.places == nil {
		u.places = map[place]*watch{}
	}
	at := place{e.Hold.NetNS, e.Hold.Proto}
	w, ok := u.places[at]
	if !ok {
		w = &watch{next: e.Time.Add(firstDelay)}
		u.places[at] = w
	}
	w.tid = e.Hold.Owner.TID
	w.delay = firstDelay
	w.next = min(w.next, e.Time.Add(firstDelay))
	w.until = max(w.until, e.Time.Add(lasts))
}

// due returns the places to look at now, and schedules the next look at them.
func (u *unseen) due(now ktime.Time) map[place]uint32 {
	var places map[place]uint32
	for at, w := range u.places {
		if now < w.next {
			continue
		}
		if places == nil {
			places = map[place]uint32{}
		}
		places[at] = w.tid
		w.delay = min(2*w.delay, lastDelay)
		w.next = now.Add(w.delay)
		if w.next > w.until {
			delete(u.places, at)
		}
	}
	return places
}

func (u *unseen) look(p *probe.Probe, now ktime.Time, handle func(*event.Event)) error {
	for at, tid := range u.due(now) {
		ns, ok := netns.Find(at.netns, tid)
		if !ok {
			continue // gone, or out of reach: the hook that ends the hold will tell
		}
		lookAt := p.LookTCP
		if at.proto == event.UDP {
			lookAt = p.LookUDP
		}
		if err := lookAt(ns, handle); err != nil && !netns.IsOutOfReach(err) {
			return err
		}
	}
	return nil
}
