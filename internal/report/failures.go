package report

import (
	"cmp"
	"slices"
	"strings"
	"time"

	"porttrace/internal/ktime"
	"porttrace/internal/lifetime"
)

// Failures are those of one cause.
type Failures struct {
	Cause       lifetime.Cause // "" where there are more causes than any porttrace knows
	Count       uint64
	First, Last ktime.Wall
	Worst       ktime.Wall // where the interval with most failures begins
	WorstCount  uint64
	counts      timeline
}

// causesKept bounds what an edited recording can make of causes.
const causesKept = 32

// failures counts what could not be had, over time.
type failures struct {
	causes map[lifetime.Cause]*Failures
}

func (f *failures) add(cause lifetime.Cause, at ktime.Wall) {
	if f.causes == nil {
		f.causes = map[lifetime.Cause]*Failures{}
	}
	c := f.causes[cause]
	if c == nil && len(f.causes) >= causesKept {
		cause = ""
		c = f.causes[cause]
	}
	if c == nil {
		c = &Failures{Cause: cause, First: at, Last: at}
		f.causes[cause] = c
	}
	c.Count++
	c.First, c.Last = min(c.First, at), max(c.Last, at)
	c.counts.add(at)
}

// list returns the causes, the most frequent first, all counted by the same interval.
func (f *failures) list() (list []Failures, interval time.Duration) {
	interval = time.Minute
	for _, c := range f.causes {
		interval = max(interval, c.counts.interval())
	}
	for _, c := range f.causes {
		for c.counts.interval() < interval {
			c.counts.widen()
		}
		c.Worst, c.WorstCount = c.counts.worst()
		list = append(list, *c)
	}
	slices.SortFunc(list, func(a, b Failures) int {
		return cmp.Or(cmp.Compare(b.Count, a.Count), strings.Compare(string(a.Cause), string(b.Cause)))
	})
	return list, interval
}

// intervalsKept bounds a timeline: two days and more of failures in every minute.
const intervalsKept = 1 << 12

// timeline counts by intervals of a minute, and of twice as much each time that there are
// too many of them.
type timeline struct {
	doubled uint
	counts  map[int64]uint64 // by the interval's number since 1970
}

func (t *timeline) interval() time.Duration { return time.Minute << t.doubled }

func (t *timeline) number(at ktime.Wall) int64 {
	return at.Time().Unix() / 60 >> t.doubled
}

func (t *timeline) add(at ktime.Wall) {
	if t.counts == nil {
		t.counts = map[int64]uint64{}
	}
	t.counts[t.number(at)]++
	if len(t.counts) > intervalsKept {
		t.widen()
	}
}

func (t *timeline) widen() {
	wider := make(map[int64]uint64, len(t.counts)/2)
	for i, n := range t.counts {
		wider[i>>1] += n
	}
	t.counts = wider
	t.doubled++
}

// worst returns the first of the intervals with most.
func (t *timeline) worst() (begin ktime.Wall, most uint64) {
	var at int64
	for i, n := range t.counts {
		if n > most || n == most && i < at {
			at, most = i, n
		}
	}
	return ktime.Wall(at << t.doubled * int64(time.Minute)), most
}

// columns spreads the counts over n equal parts of the time from one moment to another.
func (t *timeline) columns(from, to ktime.Wall, n int) []uint64 {
	out := make([]uint64, n)
	span := max(1, to-from)
	for i, count := range t.counts {
		at := ktime.Wall(i << t.doubled * int64(time.Minute))
		column := (max(at, from) - from) / max(1, (span+ktime.Wall(n)-1)/ktime.Wall(n))
		out[min(int(column), n-1)] += count
	}
	return out
}
