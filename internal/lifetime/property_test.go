package lifetime

import (
	"math/rand"
	"testing"
	"time"

	"porttrace/internal/event"
	"porttrace/internal/ktime"
)

// world is a made-up kernel: it hands out ports, knows the truth, and tells events as
// the hooks do. Each hold's events stay in order, as its socket's lock keeps them;
// those of different holds are mixed as two CPUs mix them in a ring buffer.
type world struct {
	rnd    *rand.Rand
	now    ktime.Time
	cookie uint64
	live   []*truth
	tuples map[uint16]*truth // whoever has the tuple of a port, on one destination
	script []event.Event
	ended  map[event.ID]truth
	failed int

	audited int // up to where the ring is read before the next audit
}

type truth struct {
	event.Hold
	before   bool
	since    ktime.Time
	released ktime.Time
	reason   event.Reason
}

func (w *world) tick() ktime.Time {
	w.now += ktime.Time(1 + w.rnd.Intn(int(time.Millisecond)))
	return w.now
}

func (w *world) tell(kind event.Kind, h *truth, at ktime.Time, reason event.Reason) {
	e := event.Event{Kind: kind, Time: at, Reason: reason, Hold: h.Hold}
	if at > h.since {
		e.Hold.InState[h.State] += uint64(at - h.since)
	}
	w.script = append(w.script, e)
}

func (w *world) enter(h *truth, s event.State) {
	at := w.tick()
	h.InState[h.State] += uint64(at - h.since)
	h.State, h.since = s, at
	w.tell(event.Entered, h, at, 0)
}

func (w *world) begin(before bool) *truth {
	at := w.tick()
	w.cookie++
	port := uint16(32768 + w.rnd.Intn(64))
	h := &truth{Hold: event.Hold{
		ID: event.ID{Cookie: w.cookie, Born: at}, Assigned: at, Search: event.NoSearch,
		Proto: event.TCP, Path: event.Connect, Port: port, DstPort: 443, State: event.SynSent,
		Owner: event.Owner{PID: uint32(1 + w.rnd.Intn(5))},
	}, since: at, before: before}
	if before {
		h.Assigned = 0
	}
	return h
}

// assign hands a port to a new hold; if a TIME_WAIT has the tuple, it makes way.
func (w *world) assign() {
	h := w.begin(false)
	if old := w.tuples[h.Port]; old != nil {
		if old.State != event.TimeWait {
			w.failed++
			f := event.Event{Kind: event.Failure, Time: h.Born, Hold: h.Hold, Errno: 99}
			w.script = append(w.script, f)
			return
		}
		cancelled := w.tick()
		w.tell(event.Release, old, cancelled, event.TimeWaitKilled)
		at := w.tick()
		h.Born, h.Assigned, h.since = at, at, at
		w.end(old, at, event.TimeWaitReused, false)
	}
	w.tuples[h.Port] = h
	w.live = append(w.live, h)
	w.tell(event.Assign, h, h.Born, 0)
}

func (w *world) end(h *truth, at ktime.Time, reason event.Reason, tell bool) {
	h.released, h.reason = at, reason
	if tell {
		w.tell(event.Release, h, at, reason)
	}
	h.InState[h.State] += uint64(at - h.since)
	w.ended[h.ID] = *h
	delete(w.tuples, h.Port)
	for i, l := range w.live {
		if l == h {
			w.live = append(w.live[:i], w.live[i+1:]...)
			break
		}
	}
}

func (w *world) step() {
	if len(w.live) == 0 || w.rnd.Intn(3) == 0 {
		w.assign()
		return
	}
	h := w.live[w.rnd.Intn(len(w.live))]
	switch {
	case h.State == event.SynSent && w.rnd.Intn(8) == 0:
		w.end(h, w.tick(), event.Refused, true)
	case h.State == event.SynSent:
		w.enter(h, event.Established)
	case h.State == event.Established:
		w.enter(h, event.FinWait1)
	case h.State == event.FinWait1:
		w.enter(h, event.TimeWait)
	case w.rnd.Intn(4) == 0: // a FIN comes again, its timer restarts
		at := w.tick()
		w.tell(event.Release, h, at, event.TimeWaitKilled)
		w.tell(event.Revoke, h, at+1, 0)
		w.now++
	case w.rnd.Intn(4) == 0: // a RST
		w.end(h, w.tick(), event.TimeWaitKilled, true)
		w.now += ktime.Time(2 * grace) // nobody takes the port before the grace is over
	case w.rnd.Intn(4) == 0: // taken for a kill at first
		at := w.tick()
		w.tell(event.Release, h, at, event.TimeWaitKilled)
		w.tell(event.Expire, h, at+1, event.TimeWaitExpired)
		w.end(h, at+1, event.TimeWaitExpired, false)
		w.now++
	default:
		w.end(h, w.tick(), event.TimeWaitExpired, true)
	}
}

func newWorld(seed int64) *world {
	return &world{
		rnd: rand.New(rand.NewSource(seed)), now: 1 << 40,
		tuples: map[uint16]*truth{}, ended: map[event.ID]truth{},
	}
}

// Marks in the script around what a look tells.
const (
	auditBegins event.Kind = 100 + iota
	auditEnds
)

// audit adds a look at what is live. It is told before up to so many events that are
// still in the ring.
func (w *world) audit(early int) {
	at := w.tick()
	look := []event.Event{{Kind: auditBegins, Time: at}}
	told := len(w.script)
	for _, h := range w.live {
		w.tell(event.Held, h, at, 0)
	}
	look = append(look, w.script[told:]...)
	look = append(look, event.Event{Kind: auditEnds, Time: at})
	told = max(told-early, w.audited)
	rest := append([]event.Event(nil), w.script[told:len(w.script)-len(look)+2]...)
	w.script = append(append(w.script[:told], look...), rest...)
	w.audited = len(w.script)
}

// mix swaps neighbours of different holds that were told within a millisecond: a CPU
// may take its time between reading the clock and reserving room in the ring. What one
// CPU does in one go, a hand-over or a restart, stays together.
func (w *world) mix() {
	for i := 1; i < len(w.script); i++ {
		a, b := &w.script[i-1], &w.script[i]
		sameTuple := a.Hold.Port == b.Hold.Port
		if a.Kind == event.Found || a.Kind == event.Held || b.Kind == event.Held || max(a.Kind, b.Kind) >= auditBegins {
			continue
		}
		if !sameTuple && b.Time.Sub(a.Time) < time.Millisecond && w.rnd.Intn(2) == 0 {
			*a, *b = *b, *a
			i++
		}
	}
}

func TestInvariants(t *testing.T) {
	for seed := int64(1); seed <= 60; seed++ {
		w := newWorld(seed)
		tr, l := newTracker(seed%2 == 0)
		for range 20 {
			h := w.begin(true)
			if w.tuples[h.Port] == nil {
				w.tuples[h.Port] = h
				w.live = append(w.live, h)
				w.tell(event.Found, h, h.Born, 0)
			}
		}
		snapshot := len(w.script)
		w.audited = snapshot
		for range 2000 {
			w.step()
			if w.rnd.Intn(50) == 0 {
				w.audit(w.rnd.Intn(30))
			}
		}
		w.mix()
		play(tr, w.script[:snapshot])
		tr.Started()
		play(tr, w.script[snapshot:])
		tr.Advance(w.now + ktime.Time(2*grace))

		checkTruth(t, seed, w, tr)
		checkConservation(t, seed, tr, l)
		checkLifetimes(t, seed, w, l)
		if c := tr.Corrections(); c.Count != 0 {
			t.Errorf("seed %d: audits corrected %d holds, with nothing lost: %+v", seed, c.Count, c.Details)
		}
		if t.Failed() {
			return
		}
	}
}

func play(tr *Tracker, script []event.Event) {
	for i := range script {
		switch e := &script[i]; e.Kind {
		case auditBegins:
			tr.BeginAudit(e.Time)
		case auditEnds:
			tr.EndAudit()
		case event.Held: // may be ahead of the ring, which Advance is not
			tr.Handle(e)
		default:
			tr.Handle(e)
			tr.Advance(e.Time)
		}
	}
}

// checkTruth: the held set is the world's.
func checkTruth(t *testing.T, seed int64, w *world, tr *Tracker) {
	t.Helper()
	if tr.Held() != len(w.live) {
		t.Errorf("seed %d: %d held, want %d", seed, tr.Held(), len(w.live))
	}
	for _, h := range w.live {
		if _, ok := tr.held[h.ID]; !ok {
			t.Errorf("seed %d: port %d of socket %d is held and not in the set", seed, h.Port, h.Cookie)
		}
	}
}

// checkConservation: held = before start + assigned - released, one release a hold.
func checkConservation(t *testing.T, seed int64, tr *Tracker, l *teller) {
	t.Helper()
	n := tr.Totals()
	if uint64(tr.Held()) != n.BeforeStart+n.Assigned-n.Released {
		t.Errorf("seed %d: %d held, totals %+v", seed, tr.Held(), n)
	}
	began, ended := map[uint64]int{}, map[uint64]int{}
	for _, r := range l.records {
		switch r.Type {
		case Assign, HeldAtStart:
			began[r.hold.ID]++
		case Release:
			ended[r.hold.ID]++
			if began[r.hold.ID] != 1 || ended[r.hold.ID] != 1 {
				t.Errorf("seed %d: hold %d began %d times and ended %d times", seed, r.hold.ID, began[r.hold.ID], ended[r.hold.ID])
			}
		}
	}
}

// checkLifetimes: times, states and reasons are the world's, and add up.
func checkLifetimes(t *testing.T, seed int64, w *world, l *teller) {
	t.Helper()
	want := map[ktime.Wall]truth{} // releases are at different instants
	for _, h := range w.ended {
		want[ktime.Wall(h.released)] = h
	}
	released := l.ofType(Release)
	if len(released) != len(want) {
		t.Errorf("seed %d: %d releases, want %d", seed, len(released), len(want))
	}
	for _, r := range released {
		h, ok := want[r.Time]
		if !ok || h.Port != r.hold.Port || h.reason != r.Reason {
			t.Errorf("seed %d: release of %d at %d (%s), the truth is %d (%s)", seed, r.hold.Port, r.Time, r.Reason, h.Port, h.reason)
			continue
		}
		if r.hold.Assigned != 0 && r.Time.Sub(r.hold.Assigned) != r.hold.HeldFor() {
			t.Errorf("seed %d: states of hold %d add up to %v, it was held %v", seed, r.hold.ID, r.hold.HeldFor(), r.Time.Sub(r.hold.Assigned))
		}
		if r.hold.Assigned > r.Time {
			t.Errorf("seed %d: hold %d ended before it began", seed, r.hold.ID)
		}
		for s, ns := range h.InState {
			if r.hold.States[s] != time.Duration(ns) {
				t.Errorf("seed %d: hold %d was %v in %s, the truth is %v", seed, r.hold.ID, r.hold.States[s], event.State(s), time.Duration(ns))
			}
		}
	}
}

// With events lost at random, what is told stays sound: nothing ends twice or before
// it began, and the counters agree with the set; and after two audits the set is true.
func TestInvariantsWithLosses(t *testing.T) {
	for seed := int64(1); seed <= 60; seed++ {
		w := newWorld(seed)
		tr, l := newTracker(true)
		tr.Started()
		for range 2000 {
			w.step()
		}
		w.mix()
		kept := w.script[:0]
		for _, e := range w.script {
			if w.rnd.Intn(10) > 0 {
				kept = append(kept, e)
			}
		}
		play(tr, kept)
		w.now += ktime.Time(2 * grace)
		tr.Advance(w.now)
		for range 2 {
			w.script = w.script[:0]
			w.audited = 0
			w.audit(0)
			play(tr, w.script)
		}
		checkTruth(t, seed, w, tr)
		if c := tr.Corrections(); c.Count == 0 || len(c.Details) == 0 || len(c.Details) > detailed*len(c.By) || c.Count != tr.Totals().Corrected {
			t.Errorf("seed %d: %d corrections, %d in detail, %d in all", seed, c.Count, len(c.Details), tr.Totals().Corrected)
		}
		tr.Finish(w.now + 1)
		checkConservation(t, seed, tr, l)
		for _, r := range l.ofType(Release) {
			if r.hold.Assigned != 0 && r.Time.Sub(r.hold.Assigned) != r.hold.HeldFor() {
				t.Errorf("seed %d: states of hold %d add up to %v, it was held %v", seed, r.hold.ID, r.hold.HeldFor(), r.Time.Sub(r.hold.Assigned))
			}
		}
		if t.Failed() {
			return
		}
	}
}
