package terminal

import (
	"strconv"
	"time"
)

// appendDuration writes d as people say it, in at most six columns up to a hundred
// days: 850ns, 85µs, 2.3ms, 250ms, 0.4s, 60.9s, 3m12s, 2h03m, 3d04h. It cuts and never
// rounds up, so that "at least" stays true. A negative duration is unknown: "?".
func appendDuration(b []byte, d time.Duration) []byte {
	switch {
	case d < 0:
		return append(b, '?')
	case d < time.Microsecond:
		return append(strconv.AppendInt(b, int64(d), 10), "ns"...)
	case d < time.Millisecond:
		return append(strconv.AppendInt(b, int64(d/time.Microsecond), 10), "µs"...)
	case d < 10*time.Millisecond:
		return append(appendTenths(b, d, time.Millisecond), "ms"...)
	case d < 300*time.Millisecond:
		return append(strconv.AppendInt(b, int64(d/time.Millisecond), 10), "ms"...)
	case d < 3*time.Minute:
		// Tenths up to here keep TIME_WAIT (60 s) and a dead SYN (131 s) comparable
		// with the rest of the row.
		return append(appendTenths(b, d, time.Second), 's')
	case d < time.Hour:
		return appendPair(b, d, time.Minute, 'm', time.Second, 's')
	case d < 24*time.Hour:
		return appendPair(b, d, time.Hour, 'h', time.Minute, 'm')
	}
	return appendPair(b, d, 24*time.Hour, 'd', time.Hour, 'h')
}

func appendTenths(b []byte, d, unit time.Duration) []byte {
	b = strconv.AppendInt(b, int64(d/unit), 10)
	return append(b, '.', byte('0'+d%unit/(unit/10)))
}

func appendPair(b []byte, d, big time.Duration, bigName byte, small time.Duration, smallName byte) []byte {
	b = append(strconv.AppendInt(b, int64(d/big), 10), bigName)
	n := d % big / small
	return append(b, byte('0'+n/10), byte('0'+n%10), smallName)
}
