// Package ktime keeps kernel time apart from wall-clock time: events carry
// nanoseconds of CLOCK_BOOTTIME, people read UTC.
package ktime

import (
	"time"

	"golang.org/x/sys/unix"
)

// Time is an instant in nanoseconds of CLOCK_BOOTTIME (bpf_ktime_get_boot_ns), which
// goes on through suspend and never steps. Zero means unknown.
type Time uint64

// Sub returns t - u. Both must be known.
func (t Time) Sub(u Time) time.Duration { return time.Duration(int64(t - u)) }

// Add returns t + d.
func (t Time) Add(d time.Duration) Time { return t + Time(d) }

// Now reads CLOCK_BOOTTIME.
func Now() Time {
	var ts unix.Timespec
	if err := unix.ClockGettime(unix.CLOCK_BOOTTIME, &ts); err != nil {
		panic("ktime: CLOCK_BOOTTIME is not there: " + err.Error())
	}
	return Time(ts.Nano())
}

// Wall is an instant in nanoseconds since 1970 UTC. Zero means unknown.
type Wall int64

// Time converts w to a time.Time in UTC; unknown becomes the zero time.
func (w Wall) Time() time.Time {
	if w == 0 {
		return time.Time{}
	}
	return time.Unix(0, int64(w)).UTC()
}

// WallOf converts a time.Time; the zero time becomes unknown.
func WallOf(t time.Time) Wall {
	if t.IsZero() {
		return 0
	}
	return Wall(t.UnixNano())
}

// Sub returns w - v. Both must be known.
func (w Wall) Sub(v Wall) time.Duration { return time.Duration(w - v) }
