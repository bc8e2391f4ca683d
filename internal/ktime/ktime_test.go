package ktime

import (
	"testing"
	"testing/quick"
	"time"
)

func TestUnknownStaysUnknown(t *testing.T) {
	if w := NewClock().Wall(0); w != 0 {
		t.Errorf("the wall time of unknown is %d", w)
	}
	if at := Wall(0).Time(); !at.IsZero() {
		t.Errorf("unknown as a time.Time is %v", at)
	}
	if w := WallOf(time.Time{}); w != 0 {
		t.Errorf("the zero time is %d", w)
	}
}

// One offset for a whole trace: durations between wall times are the kernel's own.
func TestDifferencesAreExact(t *testing.T) {
	clock := NewClock()
	now := Now()
	exact := func(a, b uint32) bool {
		t1, t2 := now+Time(a), now+Time(a)+Time(b)
		return clock.Wall(t2).Sub(clock.Wall(t1)) == t2.Sub(t1) &&
			t2.Sub(t1) == time.Duration(b) && t1.Sub(t2) == -time.Duration(b) &&
			t1.Add(time.Duration(b)) == t2 && t2.Add(-time.Duration(b)) == t1
	}
	if err := quick.Check(exact, nil); err != nil {
		t.Error(err)
	}
}

func TestWallIsUTCAndKeepsNanoseconds(t *testing.T) {
	there := time.Date(2026, 11, 23, 20, 44, 32, 123456789, time.FixedZone("", 3600))
	back := WallOf(there).Time()
	if !back.Equal(there) || back.Location() != time.UTC {
		t.Errorf("got %v, want %v in UTC", back, there)
	}
}

func TestClockTellsTheTime(t *testing.T) {
	clock := NewClock()
	before := time.Now()
	got := clock.Wall(Now()).Time()
	after := time.Now()
	// A step of the wall clock between the two would be a fault of the machine's.
	if margin := time.Second; got.Before(before.Add(-margin)) || got.After(after.Add(margin)) {
		t.Errorf("got %v, want between %v and %v", got, before, after)
	}
}

func TestNowGoesOn(t *testing.T) {
	last := Now()
	for range 1000 {
		now := Now()
		if now < last {
			t.Fatalf("%d came after %d", now, last)
		}
		last = now
	}
}
