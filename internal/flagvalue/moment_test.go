package flagvalue

import (
	"strings"
	"testing"
	"time"
)

func TestMoment(t *testing.T) {
	berlin, err := time.LoadLocation("Europe/Berlin")
	if err != nil {
		berlin = time.FixedZone("CET", 3600)
	}
	start := time.Date(2026, 11, 23, 20, 15, 30, 5, time.UTC)
	late := time.Date(2026, 11, 23, 23, 50, 0, 0, time.UTC)
	end := time.Date(2026, 11, 24, 1, 0, 0, 7, time.UTC)
	for _, tc := range []struct {
		text  string
		start time.Time
		want  string // RFC 3339, or the error
	}{
		{"2026-11-23T20:15:00Z", start, "2026-11-23T20:15:00Z"},
		{"2026-11-23T20:15:00.25+01:00", start, "2026-11-23T19:15:00.25Z"},
		{"20:20", start, "2026-11-23T20:20:00Z"},
		{"20:20:07.5", start, "2026-11-23T20:20:07.5Z"},
		{"20:10", start, "2026-11-23T20:10:00Z"},            // a little before the start
		{"00:05", late, "2026-11-24T00:05:00Z"},             // past midnight
		{"11:51:00", late, "2026-11-23T11:51:00Z"},          // 12 hours before, not more
		{"21:20", start.In(berlin), "2026-11-23T20:20:00Z"}, // its zone
		{"-10m", start, "2026-11-24T00:50:00.000000007Z"},
		{"-1h30m", start, "2026-11-23T23:30:00.000000007Z"},
		{"", start, "want a time such as"},
		{"yesterday", start, "want a time such as"},
		{"25:00", start, "want a time such as"},
		{"10m", start, "want a time such as"},
		{"2026-11-23", start, "want a time such as"},
		{"-10", start, "want so long before"},
		{"-0s", start, "want so long before"},
		{"--5s", start, "want so long before"},
	} {
		var m Moment
		if err := m.Set(tc.text); err != nil {
			if !strings.Contains(err.Error(), tc.want) || m.Given() {
				t.Errorf("%q: %v, want %q", tc.text, err, tc.want)
			}
			continue
		}
		got := m.In(tc.start, end).UTC().Format(time.RFC3339Nano)
		if got != tc.want || m.String() != tc.text || !m.Given() {
			t.Errorf("%q is %s, want %s", tc.text, got, tc.want)
		}
		if m.FromEnd() != strings.HasPrefix(tc.text, "-") {
			t.Errorf("%q: from the end: %v", tc.text, m.FromEnd())
		}
	}
}

func TestMomentAfter(t *testing.T) {
	start := time.Date(2026, 11, 23, 22, 0, 0, 0, time.UTC)
	for _, tc := range []struct{ since, until, want string }{
		{"23:50", "00:10", "2026-11-24T00:10:00Z"},
		{"22:10", "22:20", "2026-11-23T22:20:00Z"},
		{"22:10", "22:05", "2026-11-24T22:05:00Z"},
		{"2026-11-23T22:10:00Z", "2026-11-23T22:05:00Z", "2026-11-23T22:05:00Z"}, // the caller refuses it
		{"", "22:05", "2026-11-23T22:05:00Z"},
		{"22:05", "", "0001-01-01T00:00:00Z"},
	} {
		var since, until Moment
		for m, text := range map[*Moment]string{&since: tc.since, &until: tc.until} {
			if text == "" {
				continue
			}
			if err := m.Set(text); err != nil {
				t.Fatal(err)
			}
		}
		at := since.In(start, start)
		if got := until.After(at, start, start).Format(time.RFC3339); got != tc.want {
			t.Errorf("from %q until %q is %s, want %s", tc.since, tc.until, got, tc.want)
		}
	}
}
