package budget

import (
	"testing"
	"time"

	"porttrace/internal/ktime"
)

// host is a made-up tracer: what it takes of a CPU depends on what it leaves out.
type host struct {
	*Budget
	now     ktime.Time
	used    time.Duration
	work    float64 // of a CPU, with nothing left out
	changes []Level
	lost    time.Duration // work that was never done
}

// takes is the share of the work that is left at each level.
var takes = [...]float64{1, 0.95, 0.6, 0.5, 0.5}

func newHost(percent int) *host {
	h := &host{now: 1e12, used: 3 * time.Second}
	h.Budget = New(percent, h.now, h.used)
	return h
}

// run goes round the loop for a while, and returns the share of a CPU that it took.
func (h *host) run(d time.Duration) float64 {
	from, used := h.now, h.used
	for h.now < from.Add(d) {
		if h.Look(h.now, h.used) {
			h.changes = append(h.changes, h.Level())
		}
		if p := h.Pause(h.now, h.used); p > 0 {
			h.now = h.now.Add(p)
			h.lost += time.Duration(float64(p) * h.work * takes[h.Level()])
			continue
		}
		h.now = h.now.Add(20 * time.Millisecond)
		h.used += time.Duration(float64(20*time.Millisecond) * h.work * takes[h.Level()])
	}
	return float64(h.used-used) / float64(h.now.Sub(from))
}

func TestNothingIsLeftOutWithinTheLimit(t *testing.T) {
	h := newHost(10)
	h.work = 0.099
	h.run(time.Hour)
	if len(h.changes) > 0 || h.Level() != Full {
		t.Errorf("levels %v", h.changes)
	}
}

// What is enough is enough: nothing is given up beyond it, and events last of all.
func TestTheLeastIsLeftOut(t *testing.T) {
	for _, test := range []struct {
		work float64
		want Level
	}{{0.103, Latency}, {0.15, Detail}, {0.19, Owners}, {0.5, Events}} {
		h := newHost(10)
		h.work = test.work
		h.run(time.Minute)
		if h.Level() != test.want {
			t.Errorf("work of %v: %v, want %v", test.work, h.Level(), test.want)
		}
		if (h.lost > 0) != (test.want == Events) {
			t.Errorf("work of %v: %v is lost at %v", test.work, h.lost, h.Level())
		}
	}
}

func TestEventsAreLostUntilTheLimitIsKept(t *testing.T) {
	for _, percent := range []int{1, 5, 50, 100} {
		h := newHost(percent)
		h.work = 40 * float64(percent) / 100
		h.run(4 * time.Second)
		share := h.run(time.Minute)
		if limit := float64(percent) / 100; share > 1.05*limit || share < 0.9*limit {
			t.Errorf("limit %v, took %v", limit, share)
		}
		if h.Level() != Events || h.lost == 0 {
			t.Errorf("%v, %v lost", h.Level(), h.lost)
		}
	}
}

func TestItRecoversByItself(t *testing.T) {
	h := newHost(10)
	h.work = 3
	h.run(time.Minute)
	h.work = 0.01
	h.lost = 0
	h.run(5*patient + 10*time.Second)
	if h.Level() != Full || h.lost > time.Second {
		t.Errorf("%v after the storm, %v lost", h.Level(), h.lost)
	}
	want := []Level{Detail, Events, Owners, Detail, Latency, Full}
	for i, l := range want {
		if i >= len(h.changes) || h.changes[i] != l {
			t.Fatalf("levels %v, want %v", h.changes, want)
		}
	}
}

// Work between two levels, too much for one and little for the next, does not go to and
// fro: each try that fails is followed by a longer wait.
func TestItDoesNotFlap(t *testing.T) {
	h := newHost(10)
	h.work = 0.11 // Latency takes 0.1045, Detail 0.066
	h.run(time.Hour)
	if n := len(h.changes); n > 40 {
		t.Errorf("%d changes in an hour: %v", n, h.changes)
	}
	if share := h.run(time.Hour); share > 0.10 {
		t.Errorf("took %v", share)
	}
}

// An audit now and then is no storm: what is used on average counts.
func TestOneSecondIsNoStorm(t *testing.T) {
	h := newHost(1)
	for range 100 {
		h.work = 0.03
		h.run(Interval)
		h.work = 0.002
		h.run(20 * time.Second)
	}
	if len(h.changes) > 0 {
		t.Errorf("levels %v", h.changes)
	}
}

// A suspended machine earns no more than a burst.
func TestSuspendPaysForNothing(t *testing.T) {
	h := newHost(10)
	h.work = 3
	h.run(10 * time.Second)
	h.now = h.now.Add(8 * time.Hour)
	h.run(Interval)
	if share := h.run(10 * time.Second); h.Level() != Events || share > 0.11 {
		t.Errorf("%v, took %v", h.Level(), share)
	}
}

func TestUsedIsOurs(t *testing.T) {
	before := Used()
	for end := before + 20*time.Millisecond; Used() < end; {
	}
	if Used() < before+20*time.Millisecond {
		t.Error("time goes back")
	}
}

func TestNames(t *testing.T) {
	if n := len(Full.Names()); n != 0 {
		t.Errorf("nothing is left out, and has %d names", n)
	}
	if got := Events.Names(); len(got) != 4 || got[3] != "events" {
		t.Errorf("got %v", got)
	}
}
