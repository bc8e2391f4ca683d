package lifetime

import (
	"testing"
	"time"

	"porttrace/internal/event"
	"porttrace/internal/ktime"
)

// plain describes owners without asking anybody.
type plain struct{}

func (plain) NetNS(uint32, ktime.Time) Interned[string] { return Interned[string]{} }

func (plain) Describe(o event.Owner) Owner { return Owner{PID: o.PID, Comm: o.Comm.String()} }

// told is a record with its own copy of the hold.
type told struct {
	Record
	hold Hold
}

type teller struct{ records []told }

func (l *teller) emit(r *Record) {
	t := told{Record: *r}
	if r.Hold != nil {
		t.hold = *r.Hold
	}
	l.records = append(l.records, t)
}

func (l *teller) ofType(typ Type) []told {
	var found []told
	for _, r := range l.records {
		if r.Type == typ {
			found = append(found, r)
		}
	}
	return found
}

func newTracker(states bool) (*Tracker, *teller) {
	l := new(teller)
	return NewTracker(new(ktime.Clock), plain{}, states, l.emit), l
}

// at builds an event of hold (cookie 7, born at 1000) with time spent in states.
func at(kind event.Kind, now ktime.Time, state event.State, spent map[event.State]uint64) *event.Event {
	e := &event.Event{Time: now, Kind: kind, Hold: event.Hold{
		ID: event.ID{Cookie: 7, Born: 1000}, Assigned: 1000, Search: event.NoSearch,
		Proto: event.TCP, Path: event.Connect, Port: 40000, DstPort: 80, State: state,
		Owner: event.Owner{PID: 1},
	}}
	for s, ns := range spent {
		e.Hold.InState[s] = ns
	}
	return e
}

func TestHoldEndsOnce(t *testing.T) {
	tr, l := newTracker(false)
	tr.Handle(at(event.Assign, 1000, event.SynSent, nil))
	tr.Handle(at(event.Release, 1500, event.Established, map[event.State]uint64{event.SynSent: 100, event.Established: 400}))

	rel := l.ofType(Release)
	if len(l.ofType(Assign)) != 1 || len(rel) != 1 {
		t.Fatalf("got %d records, want an assign and a release", len(l.records))
	}
	if got := rel[0].hold.HeldFor(); got != 500 || rel[0].Time != 1500 {
		t.Errorf("held %v until %d, want 500ns until 1500", got, rel[0].Time)
	}
	if tr.Held() != 0 {
		t.Errorf("%d holds left", tr.Held())
	}
}

func cancelled(now ktime.Time) *event.Event {
	e := at(event.Release, now, event.TimeWait, map[event.State]uint64{event.TimeWait: uint64(now - 1000)})
	e.Reason = event.TimeWaitKilled
	return e
}

// A hold whose beginning was lost shows up with an event that tells no state: where states
// are told, the one it is in is told, too.
func TestStateOfAHoldThatWasMissed(t *testing.T) {
	for name, events := range map[string][]*event.Event{
		"a timer that starts again": {cancelled(2000), at(event.Revoke, 2001, event.TimeWait, map[event.State]uint64{event.TimeWait: 1001})},
		"a destination":             {at(event.Tuple, 2000, event.SynSent, map[event.State]uint64{event.SynSent: 1000})},
	} {
		t.Run(name, func(t *testing.T) {
			tr, l := newTracker(true)
			tr.Started()
			for _, e := range events {
				tr.Handle(e)
			}
			tr.Advance(2001 + ktime.Time(10*grace))
			last := events[len(events)-1]
			states := l.ofType(State)
			if len(l.ofType(Assign)) != 1 || len(states) != 1 || states[0].hold.State != last.Hold.State || states[0].Time != ktime.Wall(last.Time) {
				t.Errorf("told %+v", l.records)
			}
		})
	}
}

func TestCancelledTimerThatStartsAgainIsNoEnd(t *testing.T) {
	tr, l := newTracker(false)
	tr.Handle(at(event.Assign, 1000, event.SynSent, nil))
	tr.Handle(cancelled(2000))
	tr.Handle(at(event.Revoke, 2001, event.TimeWait, map[event.State]uint64{event.TimeWait: 1001}))
	tr.Advance(2001 + ktime.Time(10*grace))
	if n := len(l.ofType(Release)); n != 0 || tr.Held() != 1 {
		t.Fatalf("%d releases, %d held, want 0 and 1", n, tr.Held())
	}
}

func TestCancelledTimerIsKilledAfterGrace(t *testing.T) {
	tr, l := newTracker(false)
	tr.Handle(at(event.Assign, 1000, event.SynSent, nil))
	tr.Handle(cancelled(2000))
	tr.Advance(2000 + ktime.Time(grace) - 1)
	if n := len(l.ofType(Release)); n != 0 {
		t.Fatalf("%d releases before the grace was over", n)
	}
	tr.Advance(2000 + ktime.Time(grace))
	rel := l.ofType(Release)
	if len(rel) != 1 || rel[0].Reason != event.TimeWaitKilled || rel[0].Time != 2000 {
		t.Fatalf("got %+v, want one kill at 2000", rel)
	}
}

func TestReuseHandsOverAtTheNewAssignment(t *testing.T) {
	for name, tc := range map[string]struct {
		search uint64
		want   event.Reason
		at     ktime.Wall
	}{
		"cancelled during the search": {500, event.TimeWaitReused, 2100},
		"search unknown":              {event.NoSearch, event.TimeWaitReused, 2100},
		"cancelled before the search": {50, event.TimeWaitKilled, 2000},
	} {
		t.Run(name, func(t *testing.T) {
			tr, l := newTracker(false)
			tr.Handle(at(event.Assign, 1000, event.SynSent, nil))
			tr.Handle(cancelled(2000))
			next := at(event.Assign, 2100, event.SynSent, nil)
			next.Hold.ID = event.ID{Cookie: 8, Born: 2100}
			next.Hold.Assigned, next.Hold.Search = 2100, tc.search
			tr.Handle(next)

			rel := l.ofType(Release)
			if len(rel) != 1 || rel[0].Reason != tc.want || rel[0].Time != tc.at {
				t.Fatalf("got %+v, want %s at %d", rel, tc.want, tc.at)
			}
			if got := rel[0].hold.HeldFor(); got != time.Duration(tc.at-1000) {
				t.Errorf("states add up to %d, want %d", got, tc.at-1000)
			}
			if last := l.records[len(l.records)-1]; last.Type != Assign {
				t.Errorf("the new hold begins before the old one ends")
			}
		})
	}
}

func TestExpiryMistakenForAKill(t *testing.T) {
	tr, l := newTracker(false)
	tr.Handle(at(event.Assign, 1000, event.SynSent, nil))
	tr.Handle(cancelled(2000))
	e := cancelled(2005)
	e.Kind, e.Reason = event.Expire, event.TimeWaitExpired
	tr.Handle(e)
	rel := l.ofType(Release)
	if len(rel) != 1 || rel[0].Reason != event.TimeWaitExpired {
		t.Fatalf("got %+v, want one expiry", rel)
	}
}

func TestReleaseWhoseAssignWasLost(t *testing.T) {
	tr, l := newTracker(false)
	tr.Handle(at(event.Release, 1500, event.Established, map[event.State]uint64{event.Established: 500}))
	if len(l.ofType(Assign)) != 1 || len(l.ofType(Release)) != 1 {
		t.Fatalf("got %+v, want the assignment as the kernel remembers it, and the release", l.records)
	}
	if a := l.ofType(Assign)[0]; a.Time != 1000 || a.hold.Assigned != 1000 {
		t.Errorf("assigned %d, want 1000", a.Time)
	}
}

// The next hook of a socket may find that its hold ended unseen, before any audit does.
func TestHoldThatAHookFindsGoneIsCorrected(t *testing.T) {
	tr, l := newTracker(false)
	tr.Started()
	tr.Handle(at(event.Assign, 1000, event.SynSent, nil))
	rel := at(event.Release, 1500, event.Established, map[event.State]uint64{event.Established: 500})
	rel.Reason = event.Vanished
	tr.Handle(rel)
	if got := l.ofType(Release); len(got) != 1 || got[0].Reason != event.Vanished {
		t.Errorf("got %+v", l.records)
	}
	if c := tr.Corrections(); c.Count != 1 || len(c.Details) != 1 || c.Details[0].Was != Gone {
		t.Errorf("corrected %+v, want one hold that is gone", c)
	}
}

func TestHoldFromBeforeTheStart(t *testing.T) {
	tr, l := newTracker(false)
	found := at(event.Found, 1000, event.Established, nil)
	found.Hold.Assigned = 0
	tr.Handle(found)
	again := *found
	again.Kind = event.Held
	tr.Handle(&again) // a second iterator comes by
	tr.Started()
	rel := at(event.Release, 1500, event.Established, map[event.State]uint64{event.Established: 500})
	rel.Hold.Assigned = 0
	tr.Handle(rel)
	if n := len(l.ofType(HeldAtStart)); n != 1 {
		t.Fatalf("%d holds from before the start, want 1", n)
	}
	if r := l.ofType(Release)[0]; r.hold.Assigned != 0 || r.hold.HeldFor() != 500 {
		t.Errorf("assigned %d held %v, want unknown and 500ns seen", r.hold.Assigned, r.hold.HeldFor())
	}
	if got := tr.Totals(); got.BeforeStart != 1 || got.Released != 1 || got.Assigned != 0 {
		t.Errorf("totals %+v", got)
	}
}

func TestLookQuickerThanTheRing(t *testing.T) {
	tr, l := newTracker(false)
	tr.Handle(at(event.Held, 1200, event.Established, map[event.State]uint64{event.SynSent: 200}))
	tr.Handle(at(event.Assign, 1000, event.SynSent, nil))
	if len(l.ofType(HeldAtStart)) != 0 || len(l.ofType(Assign)) != 1 {
		t.Fatalf("got %+v, want one assign", l.records)
	}
}

func TestStillHeldAtTheEnd(t *testing.T) {
	tr, l := newTracker(false)
	tr.Handle(at(event.Assign, 1000, event.SynSent, nil))
	tr.Finish(5000)
	held := l.ofType(HeldAtEnd)
	if len(held) != 1 || held[0].hold.States[event.SynSent] != 4000 {
		t.Fatalf("got %+v, want 4000ns of SYN_SENT", held)
	}
}

// After the clock was set, back even, a record's times are by the new one: nothing is
// released before it was assigned, and its states add up to the time between.
func TestTimesOfARecordAreByOneClock(t *testing.T) {
	for _, by := range []time.Duration{time.Hour, -time.Hour} {
		wall := ktime.Wall(1e18)
		clock := ktime.NewClockOf(func() ktime.Reading { return ktime.Reading{Boot: 5000, Wall: wall + 5000} })
		l := new(teller)
		tr := NewTracker(clock, plain{}, true, l.emit)
		tr.Started()
		tr.Handle(at(event.Assign, 1000, event.SynSent, nil))
		wall += ktime.Wall(by)
		if step, moved := clock.Follow(); !moved || step.By() != by {
			t.Fatalf("set by %v, told %v", by, step.By())
		}
		tr.Reclock()
		tr.Handle(at(event.Entered, 6000, event.Established, map[event.State]uint64{event.SynSent: 5000}))
		tr.Handle(at(event.Release, 7000, event.Established, map[event.State]uint64{event.SynSent: 5000, event.Established: 1000}))
		for _, r := range l.records {
			want := wall
			if r.Type == Assign {
				want -= ktime.Wall(by)
			}
			if r.hold.Assigned != want+1000 {
				t.Errorf("set by %v: record %d says assigned %d, want %d", by, r.Type, r.hold.Assigned-want, 1000)
			}
			if r.Type == Release && (r.Time.Sub(r.hold.Assigned) != r.hold.HeldFor() || r.hold.HeldFor() != 6000) {
				t.Errorf("set by %v: held %v, from %d to %d", by, r.hold.HeldFor(), r.hold.Assigned, r.Time)
			}
		}
	}
}
