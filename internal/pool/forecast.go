package pool

import (
	"math"
	"time"
)

// timeWaitLength is how long the kernel keeps a port in TIME_WAIT: TCP_TIMEWAIT_LEN, and
// what the wheel of timers adds to that at this distance, a sixteenth at most.
const timeWaitLength = 62 * time.Second

// trend is what a pool did in a time that has passed.
type trend struct {
	elapsed time.Duration
	before  use // at its beginning
	now     use
	expired int  // ports that came back from TIME_WAIT meanwhile
	reuses  bool // connect() takes them over from there (tcp_tw_reuse)
}

// exhausts returns when a pool will be full if it goes on like that, -1 if it will not.
//
// What is in TIME_WAIT comes back by itself: it grows until as much comes back as goes
// in, which Little's law puts at the rate of what goes in times the time it stays. All
// else grows as it did: a mean of the holds that have ended says nothing of those that do
// not end, which is what a leak is.
func (t trend) exhausts() time.Duration {
	seconds := t.elapsed.Seconds()
	if seconds <= 0 {
		return -1
	}
	free := float64(t.now.usable - t.now.inUse)
	waiting := float64(t.now.timeWait)
	lasting := t.lasting() / seconds
	if t.reuses { // what waits is in nobody's way
		return atRate(free+waiting, lasting)
	}
	growing := float64(t.now.timeWait-t.before.timeWait) / seconds
	if free <= 0 && !t.reuses {
		return 0
	}
	entering := growing + float64(t.expired)/seconds
	level := max(entering*timeWaitLength.Seconds(), 0)
	if growing <= 0 || waiting >= level { // it has settled, or goes down
		return atRate(free, lasting+min(growing, 0))
	}
	until := (level - waiting) / growing
	if rate := lasting + growing; rate > 0 && free/rate <= until {
		return atRate(free, rate)
	}
	rest := free - (lasting+growing)*until
	if settled := atRate(rest, lasting); settled >= 0 {
		return settled + time.Duration(until*float64(time.Second))
	}
	return -1
}

// lasting is how many more ports are in use, and not in TIME_WAIT, than there were. Those
// that are on their way to it are now more and now fewer: no more than is by chance is none.
func (t trend) lasting() float64 {
	now, before := float64(t.now.inUse-t.now.timeWait), float64(t.before.inUse-t.before.timeWait)
	entered := float64(t.now.timeWait - t.before.timeWait + t.expired)
	if chance := 1 + math.Sqrt(max(min(now, entered), 0)); entered > 0 && math.Abs(now-before) <= chance {
		return 0
	}
	return now - before
}

// atRate returns when so many ports are gone at a rate per second, -1: never, or not in
// the time that a Duration holds.
func atRate(free, rate float64) time.Duration {
	if rate <= 0 || free/rate > math.MaxInt64/float64(time.Second)/2 {
		return -1
	}
	return time.Duration(free / rate * float64(time.Second))
}
