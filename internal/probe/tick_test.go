package probe

import (
	"testing"
	"time"
)

// A sample of a tenth of a second is off by a tick at each end, and the clocks are not
// read in one instant.
func TestTickLength(t *testing.T) {
	for hz, want := range map[int]time.Duration{
		100: 10 * time.Millisecond, 250: 4 * time.Millisecond, 300: time.Second / 300, 1000: time.Millisecond,
	} {
		for _, slept := range []time.Duration{100 * time.Millisecond, 103 * time.Millisecond, 250 * time.Millisecond, 2 * time.Second} {
			exact := int64(slept) * int64(hz) / int64(time.Second)
			for _, ticks := range []int64{exact - 1, exact, exact + 1} {
				for _, jitter := range []time.Duration{-time.Millisecond, 0, time.Millisecond} {
					if got := tickLength(uint64(ticks), slept+jitter); got != want {
						t.Errorf("HZ %d: %d ticks in %v: got %v, want %v", hz, ticks, slept+jitter, got, want)
					}
				}
			}
		}
	}
}

func TestTickLengthIsOneOfAFewWhateverWasSeen(t *testing.T) {
	for _, ticks := range []uint64{0, 1, 1 << 40, 1<<64 - 1} {
		for _, elapsed := range []time.Duration{-1, 0, 1, time.Hour} {
			switch got := tickLength(ticks, elapsed); got {
			case time.Second / 100, time.Second / 250, time.Second / 300, time.Second / 1000:
			default:
				t.Errorf("%d ticks in %v: got %v", ticks, elapsed, got)
			}
		}
	}
}
