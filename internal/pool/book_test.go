package pool

import (
	"testing"
	"time"

	"porttrace/internal/event"
	"porttrace/internal/ktime"
	"porttrace/internal/lifetime"
)

func after(d time.Duration) ktime.Wall { return second + ktime.Wall(d) }

func TestPoolsOverAQuarterAreReportedEveryTenSeconds(t *testing.T) {
	d := newDesk(t, true)
	d.assign(after(time.Second), 250, 40000, connectTo(server))
	d.assign(after(time.Second), 249, 40000, connectTo(server2))
	var at []ktime.Wall
	for passed := time.Duration(0); passed <= 30*time.Second; passed += 20 * time.Millisecond {
		if d.NeedsStates(after(passed)) != (passed > 0 && passed%Interval == 0) {
			t.Errorf("after %v: fresh states are needed: %t", passed, !(passed%Interval == 0))
		}
		d.Report(after(passed), d.next)
		for _, r := range d.told {
			if r.Type != lifetime.Pool {
				continue
			}
			at = append(at, r.Time)
			if r.Pool.Dst != server || r.Pool.InUse != 250 || r.Pool.Usable != 1000 {
				t.Errorf("got %+v", r.Pool)
			}
		}
		d.told = nil
	}
	if len(at) != 3 || at[0] != after(10*time.Second) || at[1] != after(20*time.Second) || at[2] != after(30*time.Second) {
		t.Errorf("reported at %v, want every ten seconds", at)
	}
}

func TestNothingNeedsStatesWhereNoPoolIsFull(t *testing.T) {
	d := newDesk(t, true)
	d.held.add(249, 40000, connectTo(server))
	if d.NeedsStates(after(11 * time.Second)) {
		t.Error("249 of 1000 need states")
	}
}

func TestFullestFirst(t *testing.T) {
	d := newDesk(t, true)
	d.held.add(300, 40000, connectTo(server))
	d.held.add(400, 40000, connectTo(server2))
	d.Report(after(Interval), d.next)
	pools := d.pools()
	if len(pools) != 2 || pools[0].Dst != server2 || pools[1].Dst != server {
		t.Fatalf("got %d pools, want the one with 400 ports first", len(pools))
	}
}

func TestAllElseIsPassedOn(t *testing.T) {
	d := newDesk(t, true)
	h := connectTo(server)
	for _, typ := range []lifetime.Type{lifetime.Start, lifetime.HeldAtStart, lifetime.Assign, lifetime.State, lifetime.Release, lifetime.Lost, lifetime.HeldAtEnd, lifetime.End} {
		r := &lifetime.Record{Type: typ, Time: after(0), Hold: &h}
		got := 0
		d.Observe(r, func(passed *lifetime.Record) {
			if got++; passed != r {
				t.Errorf("type %d: it is another record", typ)
			}
		})
		if got != 1 {
			t.Errorf("type %d was passed on %d times", typ, got)
		}
	}
}

func TestFailureIsCompleted(t *testing.T) {
	d := newDesk(t, true)
	d.assign(after(0), 900, 40000, connectTo(server))
	d.assign(after(0), 90, 40900, bound(event.TCP, here))
	d.assign(after(0), 10, 40990, inTimeWait(connectTo(server)))
	d.told = nil
	f := d.fail(after(time.Second), noPortTo(server))
	if f.InUse != 910 || f.Usable != 910 || f.Cause != lifetime.RangeExhausted {
		t.Errorf("got %d of %d, %s", f.InUse, f.Usable, f.Cause)
	}
	if len(d.told) != 2 || d.told[0].Type != lifetime.Failure || d.told[1].Type != lifetime.Pool {
		t.Fatalf("got %d records, want the failure, then its pool", len(d.told))
	}
	p := d.told[1].Pool
	if p.InUse != 910 || p.Usable != 910 || p.TimeWait != 10 || d.told[1].Time != after(time.Second) {
		t.Errorf("pool at %d: %+v", d.told[1].Time, p)
	}
}

func TestBurstsGiveOnePoolASecond(t *testing.T) {
	d := newDesk(t, true)
	d.held.add(1000, 40000, connectTo(server))
	at := map[Key][]ktime.Wall{}
	for passed := time.Duration(0); passed < 5*time.Second; passed += time.Millisecond {
		for _, to := range []Key{keyTo(server), keyTo(server2)} {
			d.told = nil
			d.fail(after(passed), noPortTo(to.Dst))
			if d.told[0].Type != lifetime.Failure {
				t.Fatal("the failure itself must come first")
			}
			for _, r := range d.told[1:] {
				at[to] = append(at[to], r.Time)
			}
		}
		d.Report(after(passed), d.next)
	}
	for to, times := range at {
		if len(times) != 5 {
			t.Errorf("%v: %d pool records in 5 s, want 5", to.Dst, len(times))
		}
		for i := 1; i < len(times); i++ {
			if gap := times[i].Sub(times[i-1]); gap < time.Second {
				t.Errorf("%v: two pool records within %v", to.Dst, gap)
			}
		}
	}
	d.Report(after(20*time.Second), d.next)
	if n := len(d.reported); n != 0 {
		t.Errorf("%d pools are remembered long after the burst", n)
	}
}

func TestNarrowedSetKnowsNoUse(t *testing.T) {
	d := newDesk(t, false)
	d.assign(after(0), 1000, 40000, connectTo(server))
	d.told = nil
	f := d.fail(after(0), noPortTo(server))
	if f.InUse != -1 || f.Usable != 1000 || f.Cause != lifetime.RangeExhausted {
		t.Errorf("got %d of %d, %s, want an unknown use", f.InUse, f.Usable, f.Cause)
	}
	if d.NeedsStates(after(Interval)) {
		t.Error("it needs states for pools that it cannot count")
	}
	d.Report(after(Interval), d.next)
	if n := len(d.pools()); n != 0 {
		t.Errorf("%d pools are reported", n)
	}
}

func TestRangeThatCannotBeReadIsUnknown(t *testing.T) {
	d := newDesk(t, true)
	d.ranges.known[home].rng = nil
	d.held.add(1000, 40000, connectTo(server))
	f := d.fail(after(0), noPortTo(server))
	if f.InUse != -1 || f.Usable != -1 || f.Cause != lifetime.CauseUnknown {
		t.Errorf("got %d of %d, %s, want all unknown", f.InUse, f.Usable, f.Cause)
	}
	d.Report(after(Interval), d.next)
	if n := len(d.pools()); n != 0 {
		t.Errorf("%d pools are reported", n)
	}
}

// A bind() that found nothing may be told much later, when its socket is closed: how the
// pool was then is not how it is now.
func TestFailureToldLateIsNotMeasured(t *testing.T) {
	d := newDesk(t, true)
	d.held.add(10, 40000, bound(event.TCP, here))
	d.Report(after(30*time.Second), d.next)
	d.told = nil
	f := d.fail(after(5*time.Second), noPortOn(event.TCP, here))
	if f.InUse != -1 || f.Usable != 1000 || f.Cause != lifetime.RangeExhausted {
		t.Errorf("got %d of %d, %s", f.InUse, f.Usable, f.Cause)
	}
	if n := len(d.pools()); n != 0 {
		t.Errorf("%d pools are told, stamped in the past", n)
	}
}

func TestAddressThatIsNotLocalHasItsErrno(t *testing.T) {
	d := newDesk(t, true)
	f := d.fail(after(0), noPortOn(event.TCP, other))
	if f.Cause != lifetime.AddressNotLocal || f.Errno != "EADDRNOTAVAIL" {
		t.Errorf("got %s, %s", f.Cause, f.Errno)
	}
}

// Nothing of a burst before the sysctls changed is told after it.
func TestRangeThatChangesWithinABurst(t *testing.T) {
	d := newDesk(t, true)
	d.held.add(1000, 40000, connectTo(server))
	d.fail(after(0), noPortTo(server))
	d.ranges = rangesOf(t, "40500 40999", "40500-40509")
	if f := d.fail(after(0), noPortTo(server)); f.InUse != 490 || f.Usable != 490 {
		t.Errorf("got %d of %d, want 490 of 490", f.InUse, f.Usable)
	}
}

// counting counts how often the held set is gone through.
type counting struct {
	held
	walks int
}

func (c *counting) Each(f func(*lifetime.Hold)) { c.walks++; c.held.Each(f) }

func TestStormOfFailuresIsCheap(t *testing.T) {
	set := &counting{}
	set.add(1000, 40000, connectTo(server))
	book := NewBook(rangesOf(t, "40000 40999", ""), set, true, second)
	storm := func(failures int, between func()) int {
		walks := set.walks
		for i := range failures {
			f := noPortTo(server)
			f.NetNS = home
			book.Observe(&lifetime.Record{Type: lifetime.Failure, Time: after(time.Duration(i) * 10 * time.Microsecond), Failure: &f}, func(*lifetime.Record) {})
			if f.InUse != len(set.held) {
				t.Fatalf("failure %d: %d in use, want %d", i, f.InUse, len(set.held))
			}
			between()
		}
		return set.walks - walks
	}
	if n := storm(10000, func() {}); n > 2 {
		t.Errorf("the held set was walked %d times though nothing changed", n)
	}
	h := connectTo(server)
	changed := func() { book.Observe(&lifetime.Record{Type: lifetime.Release, Hold: &h}, func(*lifetime.Record) {}) }
	if n := storm(10000, changed); n > 100 {
		t.Errorf("the held set was walked %d times in a tenth of a second", n)
	}
}
