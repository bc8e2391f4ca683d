//go:build linux

package main

import (
	"encoding/hex"
	"fmt"
	"regexp"
	"strings"
	"testing"
	"unicode"

	"porttrace/internal/lifetime"
)

// A program that runs out of ports is told who has them, and why, when it happens, and
// in the end what to change. Its name is its own choice.
func TestFindingsAreTold(t *testing.T) {
	const ports, inVain = 94, 23 // an even number: connect() finds them all
	for name, shown := range map[string]string{
		"churner":            "churner",
		"\x1b[31m\nred\x07!": `\x1b[31m; red\a!`,
	} {
		t.Run(shown, func(t *testing.T) {
			c := newClient(t, 40000, 40000+ports-1)
			c.ns.Sysctl(t, "ipv4/tcp_tw_reuse", "0")
			c.do("name", hex.EncodeToString([]byte(name)))
			p := tracing(t, "-o", "x.jsonl", "-q", c.netns())
			c.do("churn", inVain)

			const symptom = "critical: no free port to 127.0.0.1:7777: "
			cause := fmt.Sprintf(" connect() failed with EADDRNOTAVAIL; %[1]d of %[1]d in use, %[1]d of them in TIME_WAIT, 100 %% of them by %s (%d)",
				ports, shown, c.pid)
			critical := symptom + fmt.Sprint(inVain) + cause
			// told once, maybe after the first of them
			first := regexp.MustCompile(regexp.QuoteMeta(symptom) + `(a|\d+)` + regexp.QuoteMeta(cause))
			p.until("it tells the finding", func() bool { return first.MatchString(p.stderr.String()) })
			p.until("it says why", func() bool { return strings.Contains(p.stderr.String(), "(because: time_wait_churn") })
			while := p.stderr.String()
			p.interrupt()

			summary := strings.TrimPrefix(p.stderr.String(), while)
			for _, want := range []string{critical, "(because: time_wait_churn", "warning: short connections to 127.0.0.1:7777", "to do: keep connections open", "tcp_tw_reuse=1"} {
				if !strings.Contains(summary, want) {
					t.Errorf("the summary does not say %q", want)
				}
			}
			for line := range strings.Lines(p.stderr.String()) {
				if !strings.HasPrefix(line, "porttrace: ") || strings.ContainsFunc(strings.TrimSuffix(line, "\n"), func(r rune) bool { return !unicode.IsPrint(r) }) {
					t.Errorf("this is no line of porttrace's: %q", line)
				}
			}
			if failures := ofType(whole(t, readFile(t, p.path("x.jsonl"))), lifetime.Failure); len(failures) != inVain {
				t.Errorf("%d failures are recorded, want %d", len(failures), inVain)
			}
		})
	}
}

// A host that works is told nothing but the totals.
func TestNoFindingsNoLines(t *testing.T) {
	c := newClient(t, 40000, 40100)
	p := tracing(t, "-o", "none", "-q", c.netns())
	c.do("open", 23)
	c.do("close")
	c.do("storm", 23)
	p.interrupt()
	for _, word := range []string{"critical: ", "warning: ", "info: ", "to do: "} {
		if strings.Contains(p.stderr.String(), word) {
			t.Errorf("it says %q:\n%s", word, &p.stderr)
		}
	}
}
