package lifetime

import (
	"sort"

	"porttrace/internal/event"
	"porttrace/internal/ktime"
)

// An audit compares the held set with what the kernel holds. One difference may be an
// event on its way through the ring; what two audits in a row find is corrected: the
// ring was read between them.
type audit struct {
	number       uint32
	began, prior ktime.Time // of this audit and of the one before
	running      bool
	// strangers are held in the kernel and unknown here: now, and at the audit before
	strangers, before map[event.ID]bool
	// untold were found by this audit. Who did that is known at its end, when the connections
	// have been told as gone that they may be what is left of.
	untold      []Hold
	corrections Corrections
}

// BeginAudit starts an audit at this moment. The Held events handled until EndAudit are
// all the holds that the kernel side follows.
func (t *Tracker) BeginAudit(now ktime.Time) {
	a := &t.audit
	a.number++
	a.prior, a.began = a.began, now
	a.before, a.strangers = a.strangers, a.before
	clear(a.strangers)
	a.running = true
	t.left.turn(now)
}

// see takes what a look found held. What it tells may be older than the last event.
func (t *Tracker) see(e *event.Event) {
	h, ok := t.held[e.Hold.ID]
	switch {
	case ok && h.killed != nil && e.Time <= h.killed.at:
	case ok && e.Time < h.upTo:
		h.seen = t.audit.number
	case ok:
		t.ends.drop(h) // it was the restart of a timer, and that was lost or is on its way
		t.update(h, e)
		if t.audit.running {
			t.tellIfUntold(h, e.Time) // the same event may be on its way: enter() knows
		}
	case !t.audit.running: // the ring will tell
	case t.audit.before[e.Hold.ID]:
		t.find(e)
	default:
		t.audit.strangers[e.Hold.ID] = true
	}
}

// find takes in a hold that no event told, or one that lives on in a mini-socket after
// its socket's end, which no event told.
func (t *Tracker) find(e *event.Event) {
	h, ok := t.held[e.Hold.ID]
	if ok {
		t.update(h, e)
		t.corrected(h, Moved)
	} else {
		h = t.missed(e)
	}
	if t.started && t.states {
		t.tellState(h, e.Time) // an assign record has none
	}
}

// EndAudit corrects what this audit and the one before found, and returns how much is
// left for the next one to confirm.
func (t *Tracker) EndAudit() (suspects int) {
	a := &t.audit
	a.running = false
	var gone []*hold
	for _, h := range t.held {
		switch {
		case h.seen == a.number, h.killed != nil, h.key.Born >= a.began:
		case h.absent != 0 && h.absent+1 == a.number && h.seen < h.absent:
			gone = append(gone, h)
		default:
			h.absent = a.number
			suspects++
		}
	}
	sort.Slice(gone, func(i, j int) bool { return gone[i].ID < gone[j].ID })
	for _, h := range gone {
		t.corrected(h, Gone)
		t.end(h, a.prior, event.Vanished)
	}
	for i := range a.untold {
		t.putDown(&a.untold[i], Untold)
	}
	a.untold = a.untold[:0]
	return suspects + len(a.strangers)
}
