package report

import (
	"math"
	"time"

	"github.com/HdrHistogram/hdrhistogram-go"
)

// longest is what a distribution tells apart; longer durations, which no trace lives to
// see, count as this.
const longest = int64(100 * 365 * 24 * time.Hour)

// digits keep percentiles within 1 %, in 56 kB.
const digits = 2

// distribution is how durations are spread, in fixed memory. The zero value is empty.
type distribution struct {
	h   *hdrhistogram.Histogram // nil: empty
	max time.Duration
	sum float64 // ns, see portTime
}

func (d *distribution) add(v time.Duration) {
	if d.h == nil {
		d.h = hdrhistogram.New(1, longest, digits)
	}
	v = max(v, 0)
	d.max = max(d.max, v)
	d.sum += float64(v)
	// Between 0 and longest there is no error.
	_ = d.h.RecordValue(min(int64(v), longest))
}

// Spread is what a report says of a distribution. Count 0 leaves the rest unknown.
type Spread struct {
	Count         uint64
	P50, P90, P99 time.Duration // within 1 %
	Max           time.Duration // exact
}

func (d *distribution) spread() Spread {
	if d.h == nil {
		return Spread{}
	}
	return Spread{
		Count: uint64(d.h.TotalCount()),
		P50:   d.percentile(50), P90: d.percentile(90), P99: d.percentile(99),
		Max: d.max,
	}
}

// percentile is the nearest-rank percentile: the least value that p % are not above. The
// library rounds the rank instead, so it is told the percentile of a whole rank.
func (d *distribution) percentile(p float64) time.Duration {
	n := float64(d.h.TotalCount())
	rank := math.Ceil(p / 100 * n)
	return min(time.Duration(d.h.ValueAtPercentile(100*rank/n)), d.max)
}
