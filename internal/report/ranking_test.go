package report

import (
	"testing"
	"time"

	"porttrace/internal/ktime"
	"porttrace/internal/lifetime"
)

// Among far more processes than rows are kept, those that hold most must be found, and
// nothing may get lost.
func TestRankingLetsGoOfTheLeast(t *testing.T) {
	var r ranking[int]
	rnd := newStorm(9, 1, 1).rnd
	var all Tally
	heavy := map[int]portTime{}
	for range 40 * rowsKept {
		key, held := rnd.IntN(100*rowsKept), portTime(rnd.Int64N(1000))
		if rnd.IntN(20) == 0 {
			key, held = -1-rnd.IntN(5), portTime(100_000)
			heavy[key] += held
		}
		u := Tally{Holds: 1, Held: held}
		r.at(key).add(u)
		all.add(u)
	}
	table := r.top(5, func(a, b int) int { return a - b })
	sum := table.Others.Tally
	for _, row := range table.Rows {
		sum.add(row.Tally)
		if lacks := heavy[row.Key] - row.Held; lacks < 0 || lacks > portTime(table.Slack) {
			t.Errorf("%d has %v of %v, and may lack %v", row.Key, row.Held, heavy[row.Key], table.Slack)
		}
	}
	if sum != all {
		t.Errorf("all is %+v, want %+v", sum, all)
	}
	if table.Slack == 0 || len(r.rows) > 2*rowsKept {
		t.Errorf("%d rows, slack %v", len(r.rows), table.Slack)
	}
}

func TestFailuresOverTime(t *testing.T) {
	var f failures
	rnd := newStorm(9, 1, 1).rnd
	last := epoch
	const n = 3 * intervalsKept
	for i := range n {
		last = epoch + ktime.Wall(i)*ktime.Wall(time.Minute)
		f.add(lifetime.RangeExhausted, last)
		if i == n/2 {
			for range 1009 {
				f.add(lifetime.RangeExhausted, last)
			}
		}
	}
	for range 500 {
		f.add(lifetime.Cause(string(rune('a'+rnd.IntN(500)))), epoch)
	}
	list, interval := f.list()
	if len(list) > causesKept+1 {
		t.Errorf("%d causes", len(list))
	}
	c := list[0]
	if c.Count != n+1009 || c.First != epoch || c.Last != last || interval != 4*time.Minute {
		t.Errorf("%d from %v to %v by %v", c.Count, c.First.Time(), c.Last.Time(), interval)
	}
	if middle := epoch + ktime.Wall(n/2*time.Minute); c.Worst > middle || middle.Sub(c.Worst) >= interval || c.WorstCount != 1009+4 {
		t.Errorf("worst at %v: %d", c.Worst.Time(), c.WorstCount)
	}
	sum := uint64(0)
	for _, count := range c.counts.columns(epoch, last, 40) {
		sum += count
	}
	if sum != c.Count {
		t.Errorf("the course has %d of %d", sum, c.Count)
	}
}
