package flagvalue

import (
	"fmt"
	"time"
)

// Duration is a length of time above zero. 0 is unset.
type Duration time.Duration

// Set takes Go's notation: "90s", "10m", "1h30m".
func (d *Duration) Set(s string) error {
	v, err := time.ParseDuration(s)
	if err != nil {
		return fmt.Errorf("%q: want a number with a unit, such as 30s, 10m or 1h30m", s)
	}
	if v <= 0 {
		return fmt.Errorf("%q: want more than zero, such as 30s (to run until Ctrl-C leave the flag out)", s)
	}
	*d = Duration(v)
	return nil
}

// String returns Go's notation.
func (d Duration) String() string {
	if d == 0 {
		return ""
	}
	return time.Duration(d).String()
}

// Type names the value in help texts.
func (Duration) Type() string { return "D" }
