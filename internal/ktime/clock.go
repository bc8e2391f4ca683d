package ktime

import "time"

// tolerance is how far the wall clock may be from where a Clock has it, in all, before that
// is a step. NTP's slewing does not get there: the kernel runs CLOCK_BOOTTIME and
// CLOCK_REALTIME at the same corrected rate, and suspend adds the same to both
// (kernel/time/timekeeping.c). Only settimeofday, ADJ_SETOFFSET and leap seconds move one
// against the other.
const tolerance = time.Millisecond

// Clock relates the two: one offset until the wall clock is set, so that differences of
// wall times equal the kernel's durations exactly. The zero Clock has offset zero. It is
// not safe for concurrent use.
type Clock struct {
	offset int64
	read   func() Reading // nil: the machine's clocks
}

// Reading is both clocks at one moment, give or take Within.
type Reading struct {
	Boot   Time
	Wall   Wall
	Within time.Duration
}

// Step is a wall clock that was set: what From was by the old one is To by the new one.
type Step struct{ From, To Wall }

// By is how far the clock was set, positive into the future.
func (s Step) By() time.Duration { return s.To.Sub(s.From) }

// NewClock measures the offset between CLOCK_REALTIME and CLOCK_BOOTTIME.
func NewClock() *Clock { return NewClockOf(readBoth) }

// NewClockOf returns a clock by other clocks than the machine's.
func NewClockOf(read func() Reading) *Clock {
	c := &Clock{read: read}
	c.offset = c.measure().offset()
	return c
}

func readBoth() Reading {
	before := Now()
	wall := time.Now().UnixNano()
	took := Now().Sub(before)
	return Reading{Boot: before.Add(took / 2), Wall: Wall(wall), Within: took / 2}
}

func (r Reading) offset() int64 { return int64(r.Wall) - int64(r.Boot) }

// measure returns the tightest of several readings.
func (c *Clock) measure() Reading {
	best := c.read()
	for range 4 {
		if r := c.read(); r.Within < best.Within {
			best = r
		}
	}
	return best
}

// Follow looks whether the wall clock was set since the last call, and if so goes by the
// new one from now on. A look that was interrupted for too long to tell says no: the next
// one will.
func (c *Clock) Follow() (Step, bool) {
	if c.read == nil || !c.isOff(c.read()) {
		return Step{}, false
	}
	r := c.measure()
	if !c.isOff(r) || r.Within > tolerance {
		return Step{}, false
	}
	step := Step{From: c.Wall(r.Boot), To: r.Wall}
	c.offset = r.offset()
	return step, true
}

func (c *Clock) isOff(r Reading) bool {
	off := time.Duration(r.offset() - c.offset)
	return max(off, -off) > tolerance+r.Within
}

// Wall converts a kernel time; unknown stays unknown.
func (c *Clock) Wall(t Time) Wall {
	if t == 0 {
		return 0
	}
	return Wall(int64(t) + c.offset)
}
