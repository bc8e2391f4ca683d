package flagvalue

import (
	"fmt"
	"strings"
	"time"
)

// Moment is a point of time in a recording: a date and time, a time of the recording's day,
// or so long before the recording's end. The zero value is unset.
type Moment struct {
	text   string
	date   time.Time
	clock  time.Duration // since midnight
	before time.Duration // from the end
}

// clocks are the forms of a time of day.
var clocks = [...]string{"15:04", "15:04:05", "15:04:05.999999999"}

// Set takes RFC 3339, "15:04", "15:04:05", or a duration such as "-10m".
func (m *Moment) Set(s string) error {
	if text, ok := strings.CutPrefix(s, "-"); ok {
		d, err := time.ParseDuration(text)
		if err != nil || d <= 0 {
			return fmt.Errorf("%q: want so long before the recording's end, such as -90s or -10m", s)
		}
		*m = Moment{text: s, before: d}
		return nil
	}
	if t, err := time.Parse(time.RFC3339Nano, s); err == nil {
		*m = Moment{text: s, date: t}
		return nil
	}
	for _, form := range clocks {
		if t, err := time.Parse(form, s); err == nil {
			*m = Moment{text: s, clock: t.Sub(t.Truncate(24 * time.Hour))}
			return nil
		}
	}
	return fmt.Errorf("%q: want a time such as 2026-11-23T20:15:00Z, one of the recording's day such as 20:15, or one before its end such as -10m", s)
}

// String returns what was set.
func (m *Moment) String() string { return m.text }

// Type names the value in help texts.
func (*Moment) Type() string { return "TIME" }

// Given says whether it is set.
func (m *Moment) Given() bool { return m.text != "" }

// FromEnd says whether the recording's end has to be known.
func (m *Moment) FromEnd() bool { return m.before > 0 }

// In returns the moment in a recording, the zero time where unset. A time of day is one of
// the day that the recording begins on, in start's zone, or of the next day if it is more
// than twelve hours before the start: then the recording went past midnight.
func (m *Moment) In(start, end time.Time) time.Time {
	switch {
	case m.text == "" || !m.date.IsZero():
		return m.date
	case m.before > 0:
		return end.Add(-m.before)
	}
	at := m.on(start)
	if start.Sub(at) > 12*time.Hour {
		at = m.on(start.AddDate(0, 0, 1))
	}
	return at
}

// After returns In or, of a time of day that is not after the other moment, that time of
// the next day: from 23:50 to 00:10.
func (m *Moment) After(since, start, end time.Time) time.Time {
	at := m.In(start, end)
	if isClock := m.text != "" && m.date.IsZero() && m.before == 0; isClock && !since.IsZero() && !at.After(since) {
		at = m.on(at.AddDate(0, 0, 1))
	}
	return at
}

// on returns the time on the day of t.
func (m *Moment) on(t time.Time) time.Time {
	year, month, day := t.Date()
	c := m.clock
	return time.Date(year, month, day, int(c/time.Hour), int(c/time.Minute%60), int(c/time.Second%60), int(c%time.Second), t.Location())
}
