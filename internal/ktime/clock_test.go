package ktime

import (
	"testing"
	"time"
)

// machine is a pair of clocks to play with.
type machine struct {
	boot   Time
	offset time.Duration
	within time.Duration
}

func (m *machine) read() Reading {
	m.boot += Time(time.Microsecond)
	return Reading{Boot: m.boot, Wall: Wall(m.boot) + Wall(m.offset), Within: m.within}
}

func TestAClockThatIsSetIsFollowed(t *testing.T) {
	for _, by := range []time.Duration{time.Hour, -time.Hour, time.Second, -2 * time.Millisecond} {
		m := &machine{boot: 1e12, offset: 50 * 365 * 24 * time.Hour, within: 100}
		c := NewClockOf(m.read)
		if step, moved := c.Follow(); moved {
			t.Fatalf("nobody set the clock, and it is off by %v", step.By())
		}
		m.offset += by
		step, moved := c.Follow()
		if !moved || step.By() != by {
			t.Fatalf("set by %v: told %v, %v", by, step.By(), moved)
		}
		if got, want := c.Wall(m.boot), Wall(m.boot)+Wall(m.offset); got != want || step.To > got {
			t.Errorf("set by %v: it is %d, want %d", by, got, want)
		}
		if _, again := c.Follow(); again {
			t.Errorf("set by %v: told twice", by)
		}
	}
}

// Many small steps are no small error: what counts is how far off the whole is.
func TestSmallStepsAddUpToOneThatIsTold(t *testing.T) {
	m := &machine{boot: 1e12, within: 100}
	c := NewClockOf(m.read)
	var told time.Duration
	for range 10_000 {
		m.offset += 10 * time.Microsecond
		if step, moved := c.Follow(); moved {
			told += step.By()
		}
		if off := time.Duration(Wall(m.boot)+Wall(m.offset)) - time.Duration(c.Wall(m.boot)); off > tolerance+2*m.within {
			t.Fatalf("off by %v", off)
		}
	}
	if left := m.offset - told; left < 0 || left > 2*tolerance {
		t.Errorf("%v of %v were told", told, m.offset)
	}
}

// A reader that lost the CPU between the two clocks has seen no step.
func TestALookThatWasInterruptedTellsNothing(t *testing.T) {
	m := &machine{boot: 1e12, within: 100}
	c := NewClockOf(m.read)
	m.offset, m.within = 30*time.Millisecond, 40*time.Millisecond
	if step, moved := c.Follow(); moved {
		t.Errorf("told %v", step.By())
	}
	m.offset, m.within = time.Hour, 40*time.Millisecond
	if step, moved := c.Follow(); moved {
		t.Errorf("told %v of a step that is not known exactly", step.By())
	}
	m.within = 100
	if step, moved := c.Follow(); !moved || step.By() != time.Hour {
		t.Errorf("told %v, %v", step.By(), moved)
	}
}

func TestTheMachinesOwnClocksAgree(t *testing.T) {
	c := NewClock()
	for range 1000 {
		if step, moved := c.Follow(); moved {
			t.Fatalf("a step of %v: was this machine's clock set?", step.By())
		}
	}
}

func TestSteadyGoesOn(t *testing.T) {
	var s Steady
	s.Moved(time.Hour)
	s.Moved(-3 * time.Hour)
	if got := s.Of(1e15); got != 1e15+Wall(2*time.Hour) || s.Wall(got) != 1e15 {
		t.Errorf("got %d, and back %d", got, s.Wall(got))
	}
	if s.Of(0) != 0 || s.Wall(0) != 0 {
		t.Error("unknown became known")
	}
}
