package main

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"os/exec"
	"slices"
	"strings"
	"time"

	"porttrace/internal/vm/orders"
)

// result is how a package's tests went in a guest.
type result struct {
	guest   *guest
	name    string // of the package
	tests   []test // without those that only have others in them
	took    time.Duration
	trouble []string // what kept it from being run, or to its end
	tail    string   // of the output, where there is trouble
	said    string   // by a command run in place of tests
}

// test is one test's verdict.
type test struct {
	name, verdict string // verdict: pass, fail, skip
	output        string
}

func (r *result) count(verdict string) (n int) {
	for _, t := range r.tests {
		if t.verdict == verdict {
			n++
		}
	}
	return n
}

func (r *result) failed() bool { return len(r.trouble) > 0 || r.count("fail") > 0 }

// section is what the console has of one program.
type section struct {
	output  bytes.Buffer
	end     *orders.Line
	trouble []string
}

// split takes a console apart. Trouble that is no program's is the guest's.
func split(console []byte) (sections map[string]*section, trouble []string) {
	sections = map[string]*section{}
	var now, last *section
	done := false
	for raw := range strings.Lines(string(console)) {
		line, rest, ok := orders.Parse(raw)
		if now != nil {
			now.output.WriteString(strings.ReplaceAll(rest, "\r\n", "\n"))
		}
		switch {
		case !ok && strings.Contains(raw, "Kernel panic"):
			trouble = append(trouble, strings.TrimSpace(raw))
		case !ok:
		case line.Verb == "begin":
			now = &section{}
			last = now
			sections[line.Name] = now
		case line.Verb == "end" && now != nil:
			now.end, now = &line, nil
		case line.Verb == "trouble" && last != nil:
			last.trouble = append(last.trouble, line.Name)
		case line.Verb == "trouble":
			trouble = append(trouble, line.Name)
		case line.Verb == "done":
			done = true
		}
	}
	if !done {
		trouble = append(trouble, "the guest died: no result line in its log")
	}
	return sections, trouble
}

// read makes results of a guest's console, one for each of its packages.
func read(ctx context.Context, g *guest, console []byte, failed error) []*result {
	sections, trouble := split(console)
	if failed != nil {
		trouble = append(trouble, failed.Error())
	}
	var results []*result
	for _, p := range g.packages {
		r := &result{guest: g, name: p.name}
		results = append(results, r)
		s := sections[p.name]
		if s == nil {
			r.trouble = append([]string{"did not run"}, trouble...)
			r.tail = tail(string(console))
			continue
		}
		r.read(ctx, s)
		if s.end == nil {
			r.trouble = append(r.trouble, trouble...)
			r.tail = tail(string(console))
		}
	}
	if len(trouble) > 0 && !anyFailed(results) && len(results) > 0 {
		r := results[len(results)-1]
		r.trouble, r.tail = trouble, tail(string(console))
	}
	return results
}

func anyFailed(results []*result) bool {
	for _, r := range results {
		if r.failed() {
			return true
		}
	}
	return false
}

func (r *result) read(ctx context.Context, s *section) {
	r.trouble = append(r.trouble, s.trouble...)
	if r.name == command.name {
		r.said = strings.TrimSpace(s.output.String())
		if s.end != nil && s.end.Status != 0 {
			r.trouble = append(r.trouble, fmt.Sprintf("exit status %d", s.end.Status))
		}
		return
	}
	tests, err := verdicts(ctx, s.output.Bytes())
	if err != nil {
		r.trouble = append(r.trouble, err.Error())
	}
	r.tests = tests
	if s.end == nil {
		return
	}
	r.took = s.end.Took
	if s.end.Status != 0 && r.count("fail") == 0 {
		r.trouble = append(r.trouble, fmt.Sprintf("exit status %d though no test failed", s.end.Status))
	}
	if len(tests) == 0 && len(r.trouble) == 0 && r.guest.run == "" {
		r.trouble = append(r.trouble, "no test ran")
	}
	if len(r.trouble) > 0 {
		r.tail = tail(s.output.String())
	}
}

// action is a line of go tool test2json.
type action struct{ Action, Test, Output string }

// verdicts reads what a test binary said with -test.v=test2json. A test without a
// verdict, as after a panic, has failed.
func verdicts(ctx context.Context, output []byte) ([]test, error) {
	cmd := exec.CommandContext(ctx, "go", "tool", "test2json")
	cmd.Stdin = bytes.NewReader(output)
	out, err := cmd.Output()
	if err != nil {
		return nil, fmt.Errorf("reading the tests' output: %w", said(err))
	}
	var order []string
	found := map[string]*test{}
	lines := bufio.NewScanner(bytes.NewReader(out))
	lines.Buffer(nil, 1<<24)
	for lines.Scan() {
		var a action
		if err := json.Unmarshal(lines.Bytes(), &a); err != nil {
			return nil, fmt.Errorf("reading the tests' output: %w", err)
		}
		if a.Test == "" {
			continue
		}
		t := found[a.Test]
		if t == nil {
			t = &test{name: a.Test, verdict: "fail"}
			found[a.Test] = t
			order = append(order, a.Test)
		}
		switch a.Action {
		case "pass", "fail", "skip":
			t.verdict = a.Action
		case "output":
			t.output += a.Output
		}
	}
	return leaves(order, found), lines.Err()
}

// leaves leaves out tests that are only as good as those in them.
func leaves(order []string, found map[string]*test) []test {
	parent, spoilt := map[string]bool{}, map[string]bool{}
	for _, name := range order {
		for i := range name {
			if name[i] == '/' {
				parent[name[:i]] = true
				spoilt[name[:i]] = spoilt[name[:i]] || found[name].verdict == "fail"
			}
		}
	}
	var tests []test
	for _, name := range order {
		t := found[name]
		if parent[name] && (t.verdict != "fail" || spoilt[name]) {
			continue
		}
		tests = append(tests, *t)
	}
	return tests
}

// most is how many lines of a long text are shown.
const most = 40

// tail is the end of a long text.
func tail(text string) string {
	lines := linesOf(text)
	return strings.Join(lines[max(0, len(lines)-most):], "\n")
}

// ends are both ends of a long text: a failed test says first what was wrong, and may then
// list all it saw.
func ends(text string) string {
	lines := linesOf(text)
	if left := len(lines) - most; left > 0 {
		lines = slices.Concat(lines[:most/2], []string{fmt.Sprintf("[%d lines left out]", left)}, lines[len(lines)-most/2:])
	}
	return strings.Join(lines, "\n")
}

func linesOf(text string) []string {
	return strings.Split(strings.TrimRight(strings.ReplaceAll(text, "\r", ""), "\n"), "\n")
}
