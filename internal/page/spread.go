package page

import (
	"math/bits"
	"time"
)

// A spread's buckets: 32 for each power of two, so that a quantile is at most 3 % too high.
const (
	fineBits = 5
	fine     = 1 << fineBits
	buckets  = (64 - fineBits + 1) * fine
)

// spread is a distribution of durations.
type spread struct {
	counts [buckets]uint64
	count  uint64
	sum    time.Duration
	max    time.Duration
}

func (s *spread) add(d time.Duration) {
	d = max(d, 0)
	s.counts[bucket(uint64(d))]++
	s.count++
	s.sum += d
	s.max = max(s.max, d)
}

func bucket(v uint64) int {
	if v < fine {
		return int(v)
	}
	shift := bits.Len64(v) - fineBits - 1
	return shift*fine + int(v>>shift)
}

// top returns the greatest value in a bucket.
func top(bucket int) uint64 {
	if bucket < 2*fine {
		return uint64(bucket)
	}
	shift := bucket/fine - 1
	return uint64(bucket-shift*fine+1)<<shift - 1
}

// quantile returns a duration that a share q of all is not longer than.
func (s *spread) quantile(q float64) time.Duration {
	rank := uint64(q*float64(s.count) + 0.5)
	var seen uint64
	for b, n := range s.counts {
		if seen += n; n > 0 && seen >= rank {
			return min(time.Duration(top(b)), s.max)
		}
	}
	return s.max
}
