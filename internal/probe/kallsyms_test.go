package probe

import (
	"errors"
	"strings"
	"testing"
	"testing/iotest"
)

const symbols = `ffffffff81000000 T _text
ffffffff81e4a2b0 t __pfx_tw_timer_handler
ffffffff81e4a2c0 t tw_timer_handler
ffffffff81e4a3d0 t tw_timer_handler.cold
ffffffffc0912000 t tw_timer_handler	[other_module]
`

func TestFindSymbol(t *testing.T) {
	for name, tc := range map[string]struct {
		text string
		want uint64
		err  string
	}{
		"found":         {text: symbols, want: 0xffffffff81e4a2c0},
		"in a module":   {text: "ffffffffc0912000 t tw_timer_handler\t[mod]\n", want: 0xffffffffc0912000},
		"last line":     {text: "1 t tw_timer_handler", want: 1},
		"hidden":        {text: strings.ReplaceAll(symbols, "ffffffff81e4a2c0", "0000000000000000"), err: "addresses are hidden; set kernel.kptr_restrict to 0 or 1 and run as root or with CAP_SYSLOG"},
		"not there":     {text: strings.ReplaceAll(symbols, " tw_timer_handler", " x"), err: "not there; this kernel may have inlined or renamed it"},
		"empty":         {err: "not there; this kernel may have inlined or renamed it"},
		"short lines":   {text: "\n\nt\nffff t\n", err: "not there; this kernel may have inlined or renamed it"},
		"no address":    {text: "(null) t tw_timer_handler\n", err: `address "(null)": strconv.ParseUint: parsing "(null)": invalid syntax`},
		"too much":      {text: "1ffffffffffffffff t tw_timer_handler\n", err: `address "1ffffffffffffffff": strconv.ParseUint: parsing "1ffffffffffffffff": value out of range`},
		"a torn cable":  {text: "1 t " + strings.Repeat("x", 1<<17) + "\n", err: "bufio.Scanner: token too long"},
		"similar names": {text: "1 t tw_timer_handler2\n2 t my_tw_timer_handler\n", err: "not there; this kernel may have inlined or renamed it"},
	} {
		got, err := findSymbol(strings.NewReader(tc.text), twHandler)
		switch {
		case tc.err != "" && (err == nil || err.Error() != tc.err):
			t.Errorf("%s: got %v, want %s", name, err, tc.err)
		case tc.err == "" && (err != nil || got != tc.want):
			t.Errorf("%s: got %#x, %v, want %#x", name, got, err, tc.want)
		}
	}
}

func TestKallsymsThatCannotBeRead(t *testing.T) {
	torn := errors.New("torn")
	if _, err := findSymbol(iotest.ErrReader(torn), twHandler); err != torn {
		t.Errorf("got %v", err)
	}
}

func FuzzFindSymbol(f *testing.F) {
	f.Add(symbols, twHandler)
	f.Add("0 t x\n", "x")
	f.Fuzz(func(t *testing.T, text, name string) {
		addr, err := findSymbol(strings.NewReader(text), name)
		if (addr == 0) == (err == nil) {
			t.Errorf("address %#x with error %v", addr, err)
		}
		if err == nil && !strings.Contains(text, name) {
			t.Errorf("%q is not there", name)
		}
	})
}
