package pool

import (
	"testing"
	"time"

	"porttrace/internal/event"
	"porttrace/internal/lifetime"
)

func one(t *testing.T, pools []*lifetime.PoolInfo) *lifetime.PoolInfo {
	t.Helper()
	if len(pools) != 1 {
		t.Fatalf("%d pools are told, want one", len(pools))
	}
	return pools[0]
}

func TestTrendOfAnInterval(t *testing.T) {
	d := newDesk(t, true)
	d.held.add(200, 40000, connectTo(server)) // from before the start: no growth
	d.Report(after(0), d.next)
	d.assign(after(time.Second), 300, 40200, connectTo(server))
	d.release(after(2*time.Second), 100, 4*time.Second)
	d.Report(after(Interval), d.next)

	p := one(t, d.pools())
	// 200 more in 10 s, 600 left
	if p.InUse != 400 || p.AssignRate != 30 || p.MeanHeld != 4*time.Second || p.Exhausts != 30*time.Second {
		t.Errorf("got %+v", p)
	}
	d.Report(after(2*Interval), d.next)
	p = one(t, d.pools())
	if p.AssignRate != 0 || p.MeanHeld != -1 || p.Exhausts != -1 {
		t.Errorf("an interval later: got %+v, want nothing of the one before", p)
	}
}

// A clock that is set makes no interval longer or shorter, and pools are told by the new one.
func TestTrendWhenTheClockIsSet(t *testing.T) {
	for _, by := range []time.Duration{time.Hour, -time.Hour} {
		d := newDesk(t, true)
		d.Report(after(0), d.next)
		d.assign(after(time.Second), 300, 40000, connectTo(server))
		set := after(5*time.Second + by)
		d.Observe(&lifetime.Record{Type: lifetime.Clock, Time: set, Clock: &lifetime.ClockInfo{From: after(5 * time.Second)}}, d.next)
		d.told = nil
		d.Report(after(6*time.Second+by), d.next)
		if n := len(d.told); n > 0 || d.NeedsStates(after(6*time.Second+by)) {
			t.Errorf("set by %v: %d records after 6 s", by, n)
		}
		d.Report(after(Interval+by), d.next)
		if len(d.told) != 1 || d.told[0].Time != after(Interval+by) {
			t.Fatalf("set by %v: told %+v, want one by the new clock", by, d.told)
		}
		if p := one(t, d.pools()); p.AssignRate != 30 || p.Exhausts < 0 {
			t.Errorf("set by %v: got %+v", by, p)
		}
		// A failure is measured as ever.
		if f := d.fail(after(Interval+by+time.Second), noPortTo(server)); f.InUse != 300 {
			t.Errorf("set by %v: a failure is told with %d in use", by, f.InUse)
		}
	}
}

// The part of a hold that was seen is not its length.
func TestHoldsFromBeforeTheStartHaveNoLength(t *testing.T) {
	d := newDesk(t, true)
	old := connectTo(server)
	old.Assigned = 0
	d.held.add(10, 40000, old)
	d.Report(after(0), d.next)
	d.release(after(time.Second), 10, time.Second)
	d.assign(after(time.Second), 300, 40100, connectTo(server))
	d.Report(after(Interval), d.next)
	if p := one(t, d.pools()); p.MeanHeld != -1 || p.AssignRate != 30 {
		t.Errorf("got %+v", p)
	}
}

// A burst right after a report is told with the rate of the interval before it and of
// what came since, not with that of some milliseconds.
func TestTrendInTheMiddleOfAnInterval(t *testing.T) {
	d := newDesk(t, true)
	d.Report(after(0), d.next)
	d.assign(after(time.Second), 800, 40000, connectTo(server))
	d.Report(after(Interval), d.next)
	d.told = nil
	d.assign(after(Interval+time.Millisecond), 10, 40800, connectTo(server))
	d.fail(after(Interval+time.Millisecond), noPortTo(server))
	p := one(t, d.pools())
	if p.AssignRate < 80.9 || p.AssignRate > 81 || p.Exhausts < 2300*time.Millisecond || p.Exhausts > 2400*time.Millisecond {
		t.Errorf("got %+v, want 810 in 10.001 s", p)
	}

	d.fail(after(Interval+5*time.Second), noPortTo(server))
	if p := one(t, d.pools()); p.AssignRate != 54 {
		t.Errorf("5 s later: %v a second, want 810 in 15 s", p.AssignRate)
	}
}

func TestTrendInTheFirstInterval(t *testing.T) {
	d := newDesk(t, true)
	d.fail(after(0), noPortTo(server))
	if p := one(t, d.pools()); p.AssignRate != 0 || p.Exhausts != -1 {
		t.Errorf("at the very start: got %+v", p)
	}
	d.Report(after(0), d.next)
	d.assign(after(time.Second), 100, 40000, connectTo(server))
	d.fail(after(2*time.Second), noPortTo(server))
	if p := one(t, d.pools()); p.AssignRate != 50 || p.Exhausts != 18*time.Second {
		t.Errorf("after 2 s: got %+v", p)
	}
}

// What others take from a pool of bind() brings its end as near as what it hands out.
func TestPoolEatenByOthersIsExhausted(t *testing.T) {
	d := newDesk(t, true)
	d.assign(after(0), 1, 40999, bound(event.TCP, here))
	d.Report(after(0), d.next)
	d.assign(after(time.Second), 240, 40000, connectTo(server))
	d.assign(after(time.Second), 240, 40240, connectTo(server2))
	d.Report(after(Interval), d.next)
	p := one(t, d.pools())
	if p.Dst.IsValid() || p.InUse != 481 || p.AssignRate != 0.1 || p.Exhausts < 10*time.Second || p.Exhausts > 11*time.Second {
		t.Errorf("got %+v", p)
	}
}

// A hold may draw from the wildcard and move to an address when it connects: nothing is
// put back by that, and no growth goes on for ever.
func TestHoldThatMovesToAnAddress(t *testing.T) {
	d := newDesk(t, true)
	d.Report(after(0), d.next)
	for range 3 {
		d.assign(after(time.Second), 300, 40000, bound(event.UDP, anyAddr))
		for _, h := range d.held {
			h.Src = here
		}
		d.release(after(2*time.Second), 300, time.Second)
	}
	d.assign(after(3*time.Second), 300, 40000, bound(event.UDP, anyAddr))
	d.Report(after(Interval), d.next)
	d.told = nil
	d.Report(after(2*Interval), d.next)
	if p := one(t, d.pools()); p.Exhausts != -1 {
		t.Errorf("a pool that stands still ends in %v", p.Exhausts)
	}
}

// A pool that grows while connect() takes ports over from TIME_WAIT runs out of none.
func TestTimeWaitThatIsTakenOverRunsOutOfNothing(t *testing.T) {
	for reason, want := range map[event.Reason]time.Duration{event.TimeWaitExpired: 10 * time.Second, event.TimeWaitReused: -1} {
		d := newDesk(t, true)
		d.Report(after(0), d.next)
		d.assign(after(time.Second), 600, 40000, inTimeWait(connectTo(server)))
		for range 100 {
			h := d.held[0]
			h.States[event.TimeWait] = 2 * time.Second
			d.Observe(&lifetime.Record{Type: lifetime.Release, Time: after(3 * time.Second), Hold: h, Reason: reason}, d.next)
			d.held = d.held[1:]
		}
		d.Report(after(Interval), d.next)
		if p := one(t, d.pools()); p.Exhausts != want {
			t.Errorf("%s: it runs out in %v, want %v: %+v", reason, p.Exhausts, want, *p)
		}
	}
}

// The first failure of a pool is told with the pool as it is, however short a time ago
// another one's was.
func TestFirstFailureIsExact(t *testing.T) {
	d := newDesk(t, true)
	d.held.add(500, 40000, connectTo(server2)) // a census of which takes its time
	d.fail(after(0), noPortTo(server2))
	d.assign(after(0), 1000, 40000, connectTo(server))
	if f := d.fail(after(0), noPortTo(server)); f.InUse != 1000 || f.Usable != 1000 {
		t.Errorf("got %d of %d in use, want all of 1000", f.InUse, f.Usable)
	}
}
