package terminal

import (
	"regexp"
	"strings"
	"testing"
	"time"
	"unicode"
	"unicode/utf8"

	"porttrace/internal/lifetime"
)

func TestEscapeText(t *testing.T) {
	for _, tt := range []struct{ in, want string }{
		{"", ""}, {"curl", "curl"}, {"Web Content", "Web Content"}, {"a~!", "a~!"},
		{"\x1b[31m", `\x1b[31m`}, {"a\nb\tc\x00\x7f", `a\x0ab\x09c\x00\x7f`},
		{"\u009b1m", `\u009b1m`}, {"\x9b1m", `\x9b1m`}, {"caf\xe9", `caf\xe9`}, {"café", "café"},
		{"a\u202eb\u2066\u200f\u061c", `a\u202eb\u2066\u200f\u061c`},
		{"\u200b\ufeff\u00ad", `\u200b\ufeff\u00ad`}, {"\u3164\u115f\u034f", `\u3164\u115f\u034f`},
		{"\u00a0\u3000\u2028", `\u00a0\u3000\u2028`}, {"\U000e0041\ue000", `\U000e0041\ue000`},
		{"\u0301x", `\u0301x`}, {"x\u0301", "x\u0301"}, {"\n\u0301", `\x0a\u0301`}, {"❤\ufe0f", `❤\ufe0f`},
		{`\x1b`, `\\x1b`}, {"日本語🦀", "日本語🦀"}, {"\ufffd", "\ufffd"},
	} {
		if got := EscapeText(tt.in); got != tt.want {
			t.Errorf("EscapeText(%q) = %q, want %q", tt.in, got, tt.want)
		}
		b, width := appendText([]byte("x"), tt.in)
		if string(b) != "x"+tt.want || width != textWidth([]byte(tt.want)) {
			t.Errorf("appendText(%q) = %q, %d columns, want %q, %d", tt.in, b, width, tt.want, textWidth([]byte(tt.want)))
		}
	}
}

func TestRuneWidth(t *testing.T) {
	for r, want := range map[rune]int{
		'a': 1, 'é': 1, 'µ': 1, '→': 1, '\u0301': 0, '\u20dd': 0, '日': 2, 'ア': 2, 'ｱ': 1, 'Ａ': 2,
		'한': 2, '\u11a8': 0, '🦀': 2, '😀': 2, '❤': 1, '✅': 2, '𠀀': 2, 'ж': 1, '、': 2, '⌚': 2, '🇩': 1,
	} {
		if got := runeWidth(r); got != want {
			t.Errorf("runeWidth(%q %U) = %d, want %d", r, r, got, want)
		}
	}
	for i := 1; i < len(wide.R16); i++ {
		if wide.R16[i].Lo <= wide.R16[i-1].Hi {
			t.Errorf("wide is out of order at %x", wide.R16[i].Lo)
		}
	}
	for i := 1; i < len(wide.R32); i++ {
		if wide.R32[i].Lo <= wide.R32[i-1].Hi {
			t.Errorf("wide is out of order at %x", wide.R32[i].Lo)
		}
	}
}

func TestDuration(t *testing.T) {
	for _, tt := range []struct {
		d    time.Duration
		want string
	}{
		{-1, "?"}, {0, "0ns"}, {850, "850ns"}, {999, "999ns"},
		{time.Microsecond, "1µs"}, {85*time.Microsecond + 999, "85µs"}, {time.Millisecond - 1, "999µs"},
		{time.Millisecond, "1.0ms"}, {2390 * time.Microsecond, "2.3ms"}, {10*time.Millisecond - 1, "9.9ms"},
		{12 * ms, "12ms"}, {250 * ms, "250ms"}, {300*ms - 1, "299ms"},
		{300 * ms, "0.3s"}, {412 * ms, "0.4s"}, {sec - 1, "0.9s"}, {sec, "1.0s"}, {60*sec + 999*ms, "60.9s"},
		{131 * sec, "131.0s"}, {3*time.Minute - 1, "179.9s"},
		{3 * time.Minute, "3m00s"}, {3*time.Minute + 12*sec, "3m12s"}, {time.Hour - 1, "59m59s"},
		{time.Hour, "1h00m"}, {2*time.Hour + 3*time.Minute, "2h03m"}, {24*time.Hour - 1, "23h59m"},
		{24 * time.Hour, "1d00h"}, {76 * time.Hour, "3d04h"}, {1000 * 24 * time.Hour, "1000d00h"},
	} {
		if got := string(appendDuration(nil, tt.d)); got != tt.want {
			t.Errorf("duration %d = %q, want %q", tt.d, got, tt.want)
		}
	}
}

var sgr = regexp.MustCompile(`\x1b\[[0-9;]*m`)

// harmless fails on anything a terminal could act on but for our own colours and the
// ends of lines.
func harmless(t *testing.T, out string) {
	t.Helper()
	if !utf8.ValidString(out) {
		t.Errorf("not UTF-8: %q", out)
	}
	for _, r := range sgr.ReplaceAllString(out, "") {
		if r == '\n' {
			continue
		}
		if acts(r) {
			t.Fatalf("%U in %q", r, out)
		}
	}
}

// acts reports whether a terminal would do more with r than show it.
func acts(r rune) bool {
	return r < 0x20 || r >= 0x7f && r < 0xa0 || unicode.Is(unicode.Bidi_Control, r) || unicode.Is(unicode.Cf, r)
}

// hostileRecords puts a text wherever a record has one.
func hostileRecords(text string) []*lifetime.Record {
	h := hold(nil, owner(text, 1), func(h *lifetime.Hold) { h.Owner.Place = lifetime.Intern(lifetime.Place{Container: text, Cgroup: text}) })
	h.Dst = netipWithZone(text)
	f := failure(text, lifetime.Cause(text), func(f *lifetime.FailureInfo) { f.Owner = h.Owner })
	return []*lifetime.Record{
		{Type: lifetime.HeldAtStart, Hold: h}, {Type: lifetime.Assign, Hold: h}, {Type: lifetime.State, Hold: h},
		{Type: lifetime.Release, Hold: h}, {Type: lifetime.Failure, Failure: f},
	}
}

// checkHostile: whatever the text, each record is one line and nothing acts on the terminal.
func checkHostile(t *testing.T, text string) {
	t.Helper()
	out := render(t, Options{Width: 240, States: true, Color: true}, hostileRecords(text))
	harmless(t, out)
	rows := 0
	for line := range strings.Lines(sgr.ReplaceAllString(out, "")) {
		if !strings.HasPrefix(line, "TIME") {
			rows++
		}
	}
	if rows != 5 {
		t.Errorf("%q: %d rows, want 5:\n%s", text, rows, out)
	}
	escaped := EscapeText(text)
	harmless(t, escaped)
	if strings.Contains(escaped, "\n") || strings.Contains(escaped, "\x1b") {
		t.Errorf("EscapeText(%q) = %q", text, escaped)
	}
	var answer strings.Builder
	a := NewPortAnswer(60568)
	a.Namespaces = []PortInNetNS{{NetNS: 1, Holders: []lifetime.Hold{*hostileRecords(text)[0].Hold}}}
	for _, answers := range [][]PortAnswer{{a}, {a, a}} {
		if err := WritePorts(&answer, answers); err != nil {
			t.Fatal(err)
		}
	}
	harmless(t, answer.String())
}

func TestHostileText(t *testing.T) {
	for _, text := range hostile {
		checkHostile(t, text)
	}
	// Every rune there is, after one that a mark can join. Beyond plane 3 only the tags
	// and variation selectors are of interest.
	var b []byte
	for r := rune(0); r <= 0xe0fff; r++ {
		if r == 0x40000 {
			r = 0xe0000
		}
		b, _ = appendText(b[:0], "x"+string(r))
		if shown, _ := utf8.DecodeRune(b[1:]); len(b) < 2 || shown != '\\' && (acts(shown) || shown != r && r != utf8.RuneError && utf8.ValidRune(r)) {
			t.Fatalf("%U became %q", r, b)
		}
	}
}

func FuzzHostileText(f *testing.F) {
	for _, text := range hostile {
		f.Add(text)
	}
	f.Fuzz(checkHostile)
}

func TestCount(t *testing.T) {
	for n, want := range []string{"0 failures", "1 failure", "2 failures"} {
		if got := Count(uint64(n), "failure"); got != want {
			t.Errorf("got %q, want %q", got, want)
		}
	}
}
