package diagnose

import (
	"math/bits"
	"time"
)

// durations counts durations in buckets a quarter of their length wide.
type durations struct {
	n       int
	buckets [64 * 4]uint32
}

func (d *durations) add(t time.Duration) {
	d.n++
	d.buckets[bucketOf(t)]++
}

// bucketOf takes the two bits after the first.
func bucketOf(t time.Duration) int {
	v := uint64(max(t, 0)) + 4
	shift := bits.Len64(v) - 3
	return shift*4 + int(v>>shift&3)
}

// quantile returns about what that share of them stays below.
func (d *durations) quantile(q float64) time.Duration {
	rank := int(q * float64(d.n))
	for i, n := range d.buckets {
		if rank -= int(n); rank < 0 {
			shift := i / 4
			return time.Duration((uint64(4+i%4)<<shift + uint64(5+i%4)<<shift) / 2)
		}
	}
	return 0
}
