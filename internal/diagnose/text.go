package diagnose

import (
	"fmt"
	"net/netip"
	"strconv"
	"time"

	"porttrace/internal/event"
	"porttrace/internal/pool"
)

// where names a pool: "from 10.0.0.1 to 10.0.0.5:5432".
func where(k pool.Key) string {
	text := "on " + address(k.Src)
	if k.Dst.IsValid() {
		text = "to " + k.Dst.String()
	}
	if k.Proto == event.UDP {
		text += " (UDP)"
	}
	return text
}

func address(a netip.Addr) string {
	if !a.IsValid() {
		return "?"
	}
	return a.String()
}

// portCount is so many ports in words.
func portCount(n int) string {
	if n == 1 {
		return "1 port"
	}
	return grouped(n) + " ports"
}

// grouped writes 27911 as 27,911.
func grouped(n int) string {
	s := strconv.Itoa(n)
	for i := len(s) - 3; i > 0 && s[i-1] != '-'; i -= 3 {
		s = s[:i] + "," + s[i:]
	}
	return s
}

func percent(part, whole int) string { return fmt.Sprintf("%.0f %%", 100*share(part, whole)) }

// rough rounds a duration to what people say.
func rough(d time.Duration) string {
	switch {
	case d >= 10*time.Minute:
		return d.Round(time.Minute).String()
	case d >= 10*time.Second:
		return d.Round(time.Second).String()
	case d >= 10*time.Millisecond:
		return d.Round(time.Millisecond).String()
	}
	return d.Round(time.Microsecond).String()
}

// by names a party at the end of a sentence: "by nginx (1234)".
func by(s *stake) string {
	if s == nil || !s.isKnown() {
		return ""
	}
	return " by " + s.name()
}
