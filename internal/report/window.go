package report

import (
	"slices"
	"time"

	"porttrace/internal/event"
	"porttrace/internal/ktime"
	"porttrace/internal/lifetime"
)

// window makes of a trace the one that had run from since until just before until. Holds
// from before are held at its start, those that go on are held at its end, and either is
// cut: its states, which a record gives as sums, are laid out in the order TCP goes
// through them. That is how it was, but for UDP sockets that were connected more than once.
//
// Of holds at the end the record comes when their own ends are read, out of order.
type window struct {
	since, until ktime.Wall // 0: open
	begun        bool
	held         map[uint64]*lifetime.Hold // at since; nil once begun
	record       lifetime.Record           // what cut hands over, with hold
	hold         lifetime.Hold
}

// newWindow returns nil for one that is open at both ends.
func newWindow(since, until ktime.Wall) *window {
	if since == 0 && until == 0 {
		return nil
	}
	return &window{since: since, until: until, held: map[uint64]*lifetime.Hold{}}
}

// apply hands over what becomes of a record. A nil window lets all pass.
func (w *window) apply(r *lifetime.Record, next func(*lifetime.Record)) {
	switch {
	case w == nil, r.Type == lifetime.Start:
		next(r)
	case r.Time < w.since:
		w.before(r)
	default:
		w.begin(next)
		w.inside(r, next)
	}
}

func (w *window) before(r *lifetime.Record) {
	switch {
	case r.Hold == nil:
	case r.Type == lifetime.Release, r.Type == lifetime.HeldAtEnd:
		delete(w.held, r.Hold.ID)
	default:
		h := *r.Hold
		w.held[h.ID] = &h
	}
}

// begin tells, once, what is held at the start.
func (w *window) begin(next func(*lifetime.Record)) {
	if w.begun {
		return
	}
	w.begun = true
	ids := make([]uint64, 0, len(w.held))
	for id := range w.held {
		ids = append(ids, id)
	}
	slices.Sort(ids)
	for _, id := range ids {
		h := w.held[id]
		h.States = [event.States]time.Duration{}
		next(&lifetime.Record{Type: lifetime.HeldAtStart, Time: w.since, Hold: h})
	}
	w.held = nil
}

func (w *window) inside(r *lifetime.Record, next func(*lifetime.Record)) {
	late := w.until != 0 && r.Time >= w.until
	switch {
	case r.Type == lifetime.Release, r.Type == lifetime.HeldAtEnd:
		w.cut(r, late, next)
	case !late, r.Type == lifetime.End:
		next(r)
	}
}

// cut hands over the end of a hold with the part of its states that lies in the window.
func (w *window) cut(r *lifetime.Record, late bool, next func(*lifetime.Record)) {
	h, cut := &w.hold, &w.record
	*h, *cut = *r.Hold, *r
	cut.Hold = h
	if late {
		cut.Type, cut.Time, cut.Reason = lifetime.HeldAtEnd, w.until, 0
	}
	at := r.Time - ktime.Wall(h.HeldFor())
	if late && at >= w.until {
		return // it began after the end
	}
	for s, d := range h.States {
		from := max(at, w.since)
		at += ktime.Wall(d)
		h.States[s] = max(0, min(at, cut.Time).Sub(from))
		if late && h.States[s] > 0 {
			h.State = event.State(s)
		}
	}
	next(cut)
}
