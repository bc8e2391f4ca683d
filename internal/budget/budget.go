// Package budget keeps a tracer within a share of one CPU: it decides what is left out,
// the least missed first, and when that may come back.
package budget

import (
	"time"

	"porttrace/internal/ktime"
)

// Level is what is left out, together with all of the levels before it.
type Level uint8

// The levels, in the order they are given up.
const (
	Full    Level = iota
	Latency       // events may be told later
	Detail        // states, rows of the table, pools, findings
	Owners        // where a process belongs to, its number and name aside
	Events        // what has no room while nobody reads
)

var names = [...]string{"", "latency", "detail", "owners", "events"}

// Names are what a level leaves out.
func (l Level) Names() []string { return names[1 : l+1] }

const (
	// Interval is over what use is measured.
	Interval = time.Second
	// recent is the part that the last measurement has in the mean: one audit in a second
	// is no storm.
	recent = 0.25
	// low is the part of the limit below which something may come back.
	low = 0.8
	// patient is how long use is to be low before it does; each time that this proves too
	// soon it takes twice as long, up to mostPatient.
	patient     = 5 * time.Second
	mostPatient = 5 * time.Minute
	// burst is how much may be used at once, in time of the limit.
	burst = 250 * time.Millisecond
	// pause is the longest in one go: somebody may want to stop.
	pause = 200 * time.Millisecond
)

// Budget watches the use of the CPU against a limit. It is deterministic, and not safe for
// concurrent use.
type Budget struct {
	limit float64 // CPU time in time
	level Level
	since ktime.Time // when a level other than Full was entered

	looked     ktime.Time // the last measurement
	atLook     time.Duration
	share      float64    // then
	mean       float64    // of the last few
	paused     bool       // since then
	calm       ktime.Time // since when use has been low; 0: it is not
	patience   time.Duration
	eased      ktime.Time // when something came back the last time; 0: never
	paid       ktime.Time // up to when credit is known
	atPaid     time.Duration
	credit     time.Duration // of CPU time
	percentage int
}

// New returns a budget of so many percent of one CPU, for a process that has used so much
// CPU time until now.
func New(percent int, now ktime.Time, used time.Duration) *Budget {
	return &Budget{
		limit: float64(percent) / 100, percentage: percent,
		looked: now, atLook: used, patience: patient,
	}
}

// Percent is the limit.
func (b *Budget) Percent() int { return b.percentage }

// Level is what to leave out.
func (b *Budget) Level() Level { return b.level }

// Used is the share of one CPU in percent as of the last measurement.
func (b *Budget) Used() float64 { return 100 * b.share }

// Since is when the present spell of leaving things out began.
func (b *Budget) Since() ktime.Time { return b.since }

// Look measures, if it is time to, and says whether the level is another one now.
func (b *Budget) Look(now ktime.Time, used time.Duration) (changed bool) {
	elapsed := now.Sub(b.looked)
	if elapsed < Interval {
		return false
	}
	b.share = float64(used-b.atLook) / float64(elapsed)
	b.mean += recent * (b.share - b.mean)
	b.looked, b.atLook = now, used
	paused := b.paused
	b.paused = false
	before := b.level
	switch {
	case b.share > b.limit && b.mean > b.limit:
		b.calm = 0
		b.tighten(now, used)
	case b.mean >= low*b.limit || paused:
		b.calm = 0
	case b.calm == 0:
		b.calm = now
	case now.Sub(b.calm) >= b.patience:
		b.ease(now)
	}
	return b.level != before
}

// tighten gives one more thing up, or two where use is twice the limit.
func (b *Budget) tighten(now ktime.Time, used time.Duration) {
	if b.level == Events {
		return
	}
	if b.eased != 0 && now.Sub(b.eased) < 2*b.patience { // that was too soon
		b.patience = min(2*b.patience, mostPatient)
		b.eased = 0
	}
	if b.level == Full {
		b.since = now
	}
	b.level++
	if b.share > 2*b.limit && b.level < Events {
		b.level++
	}
	if b.level == Events {
		b.paid, b.atPaid, b.credit = now, used, 0
	}
}

// ease lets one thing come back.
func (b *Budget) ease(now ktime.Time) {
	b.calm = now
	if b.level > Full {
		b.level--
		b.eased = now
		return
	}
	b.patience = patient // all is well, and has been for long
}

// Pause says how long nothing is to be done: only at Events, when more has been used than
// the limit allows. It is asked again after that.
func (b *Budget) Pause(now ktime.Time, used time.Duration) time.Duration {
	if b.level != Events {
		return 0
	}
	earned := time.Duration(float64(now.Sub(b.paid)) * b.limit)
	most := time.Duration(float64(burst) * b.limit)
	b.credit = min(b.credit+earned-(used-b.atPaid), most)
	b.paid, b.atPaid = now, used
	if b.credit >= 0 {
		return 0
	}
	b.paused = true
	return min(time.Duration(float64(-b.credit)/b.limit), pause)
}
