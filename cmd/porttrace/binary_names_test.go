//go:build linux

package main

import (
	"encoding/hex"
	"regexp"
	"strings"
	"testing"
	"unicode"
	"unicode/utf8"

	"porttrace/internal/lifetime"
)

// A task names itself, with any 15 bytes.
func TestHostileNames(t *testing.T) {
	names := []struct{ name, shown string }{
		{"\x1b[31mred\x1b[0m", `\x1b[31mred\x1b[0m`},
		{"two\nlines\r\t", `two\x0alines\x0d\x09`},
		{"caf\xe9 \xff\xfe", `caf\xe9 \xff\xfe`},
		{"\"q\" 'p' \\", `"q" 'p' \\`},
		{"🦀 crab", "🦀 crab"},
		{"🦀🦀🦀🦀"[:15], `🦀🦀🦀\xf0\x9f\xa6`}, // as the kernel cuts it
		{"ev\u202etac\u200b", `ev\u202etac\u200b`},
		{`{"type":"end"}`, `{"type":"end"}`},
	}
	c := newClient(t, 40000, 40100)
	p := tracing(t, "-o", "x.jsonl", c.netns())
	for _, n := range names {
		c.do("name", hex.EncodeToString([]byte(n.name)))
		c.do("open", 1)
	}
	p.interrupt()

	table := p.stdout.String()
	for line := range strings.Lines(table) {
		if !regexp.MustCompile("^("+header+"|[0-9:.]+ assign .* connect)\n$").MatchString(line) || !utf8.ValidString(line) {
			t.Errorf("this is no row: %q", line)
		}
	}
	for _, r := range table {
		if r != '\n' && !unicode.IsPrint(r) {
			t.Errorf("the table has %q", r)
		}
	}
	assigned := c.own(whole(t, readFile(t, p.path("x.jsonl"))), lifetime.Assign)
	if len(assigned) != len(names) {
		t.Fatalf("%d assigned, want %d", len(assigned), len(names))
	}
	for i, n := range names {
		if got := assigned[i].Hold.Owner.Comm; got != n.name {
			t.Errorf("recorded is %q, want %q", got, n.name)
		}
		if !strings.Contains(table, n.shown) {
			t.Errorf("the table does not show %q as %s:\n%s", n.name, n.shown, table)
		}
	}
}
