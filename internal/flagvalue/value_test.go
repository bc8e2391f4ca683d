package flagvalue

import (
	"strings"
	"testing"

	"github.com/spf13/pflag"
)

// setCase is one command line's values for a flag. Without wantErr they are accepted and
// String returns want; else the last is refused and the error says wantErr.
type setCase struct {
	name    string
	set     []string
	want    string
	wantErr string
}

func runSetCases(t *testing.T, fresh func() pflag.Value, cases []setCase) {
	t.Helper()
	if zero := fresh().String(); zero != "" {
		t.Errorf("String of the zero value is %q", zero)
	}
	for _, tc := range cases {
		t.Run(tc.name, func(t *testing.T) {
			v := fresh()
			for i, s := range tc.set {
				before := v.String()
				err := v.Set(s)
				if tc.wantErr == "" || i < len(tc.set)-1 {
					if err != nil {
						t.Fatalf("Set(%q): %v", s, err)
					}
					continue
				}
				if err == nil {
					t.Fatalf("Set(%q) is accepted as %q", s, v)
				}
				if !strings.Contains(err.Error(), tc.wantErr) {
					t.Errorf("Set(%q) says %q, want it to say %q", s, err, tc.wantErr)
				}
				if v.String() != before {
					t.Errorf("a refused Set(%q) turned %q into %q", s, before, v)
				}
			}
			if tc.wantErr == "" && v.String() != tc.want {
				t.Errorf("String is %q, want %q", v, tc.want)
			}
		})
	}
}

// fuzzValue checks what holds for every type: no panic, errors of one line that change
// nothing, and a String that Set accepts and that then stays the same.
func fuzzValue(f *testing.F, fresh func() pflag.Value, seeds ...string) {
	for _, s := range append(seeds, "", ",", "a,b", "\x00", "1,,2") {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		v := fresh()
		if err := v.Set(s); err != nil {
			if strings.Contains(err.Error(), "\n") && !strings.Contains(s, "\n") {
				t.Errorf("the error has more than one line: %q", err)
			}
			if v.String() != fresh().String() {
				t.Errorf("a refused Set(%q) left %q", s, v)
			}
			return
		}
		canonical := v.String()
		again := fresh()
		if err := again.Set(canonical); err != nil {
			t.Fatalf("String of Set(%q) is refused: %v", s, err)
		}
		if again.String() != canonical {
			t.Errorf("Set(%q): %q became %q", s, canonical, again)
		}
	})
}
