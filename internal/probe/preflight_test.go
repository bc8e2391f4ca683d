package probe

import (
	"strings"
	"testing"
)

func TestParseCapabilities(t *testing.T) {
	for text, want := range map[string]uint64{
		"Name:\tx\nCapEff:\t000001ffffffffff\nCapBnd:\t0\n": 0x1ffffffffff,
		"CapEff:\t0000000000000000":                         0,
		"CapEff: 80":                                        0x80,
	} {
		if got, err := parseCapabilities(strings.NewReader(text)); err != nil || got != want {
			t.Errorf("%q: %#x, %v, want %#x", text, got, err, want)
		}
	}
	for _, text := range []string{"", "Name:\tCapEff\n", "CapEff:\tno\n", "CapEff:\t11112222333344445\n", "CapEff:", strings.Repeat("x", 1<<20)} {
		if got, err := parseCapabilities(strings.NewReader(text)); err == nil {
			t.Errorf("%.40q is taken for %#x", text, got)
		}
	}
}

func FuzzParseCapabilities(f *testing.F) {
	f.Add("Name:\tporttrace\nCapEff:\t000001ffffffffff\n")
	f.Add("CapEff:\n")
	f.Fuzz(func(t *testing.T, text string) {
		if got, err := parseCapabilities(strings.NewReader(text)); err != nil && got != 0 {
			t.Errorf("%#x with an error", got)
		}
	})
}
