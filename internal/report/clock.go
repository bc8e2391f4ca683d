package report

import (
	"io"
	"time"

	"porttrace/internal/ktime"
	"porttrace/internal/lifetime"
)

// bootClock follows the wall clock of one boot of a host through its recordings. Whatever a
// report measures, it measures by the steady clock that the first of them began with.
type bootClock struct {
	ktime.Steady
	zero ktime.Wall // the steady time of uptime 0; 0: unknown
	hold lifetime.Hold
	out  lifetime.Record
}

// imprecise is how far two measurements of one clock may be apart: ktime's tolerance, twice.
const imprecise = 5 * time.Millisecond

// ClockStep is a wall clock that was set: At by the steady clock.
type ClockStep struct {
	At ktime.Wall
	By time.Duration
}

// start takes a start record. Its uptime tells how often the clock was set while nobody
// recorded.
func (b *bootClock) start(r *lifetime.Record) {
	if r.Type != lifetime.Start || r.Start.Uptime == 0 || r.Time == 0 {
		return
	}
	zero := b.Of(r.Time) - ktime.Wall(r.Start.Uptime)
	if b.zero == 0 {
		b.zero = zero
		return
	}
	if by := zero.Sub(b.zero); by.Abs() > imprecise {
		b.Moved(by)
	}
}

// latest reads a file on, and returns the time of its last record, or to if that is later.
func (b *bootClock) latest(o *opened, to ktime.Wall) (ktime.Wall, error) {
	var err error
	for err == nil {
		err = o.Next(func(r *lifetime.Record) {
			b.start(r)
			r, _ = b.follow(r)
			to = max(to, r.Time)
		})
	}
	if err == io.EOF {
		err = nil
	}
	return to, err
}

// follow returns a record by the steady clock, valid until the next call, and the step if it
// tells of one.
func (b *bootClock) follow(r *lifetime.Record) (*lifetime.Record, *ClockStep) {
	var step *ClockStep
	if r.Type == lifetime.Clock {
		by := r.Time.Sub(r.Clock.From)
		b.Moved(by)
		step = &ClockStep{At: b.Of(r.Time), By: by}
	}
	if b.Ahead() == 0 {
		return r, step
	}
	b.out = *r
	b.out.Time = b.Of(r.Time)
	if step != nil {
		b.out.Clock = &lifetime.ClockInfo{From: b.out.Time - ktime.Wall(step.By)}
	}
	if r.Hold != nil {
		b.hold = *r.Hold
		b.hold.Assigned = b.Of(r.Hold.Assigned)
		b.out.Hold = &b.hold
	}
	return &b.out, step
}
