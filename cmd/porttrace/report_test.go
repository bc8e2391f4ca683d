//go:build linux

package main

import (
	"bytes"
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

var replayed = filepath.Join("testdata", "replay.jsonl")

// reporting runs the command in-process; it must end well.
func reporting(t *testing.T, args ...string) (stdout, stderr string) {
	t.Helper()
	e, out, errs := testEnv(append([]string{"report"}, args...)...)
	e.now = func() time.Time { return time.Now().UTC() }
	if status := run(e); status != 0 {
		t.Fatalf("exit status %d: %s", status, errs)
	}
	return out.String(), errs.String()
}

// refused runs the command, which must say in one line why it cannot, and print nothing.
func refused(t *testing.T, status int, want string, args ...string) {
	t.Helper()
	e, out, errs := testEnv(append([]string{"report"}, args...)...)
	if got := run(e); got != status {
		t.Errorf("%q: exit status %d, want %d", args, got, status)
	}
	if line := errs.String(); strings.Count(line, "\n") != 1 || !strings.HasPrefix(line, "porttrace: ") || !strings.Contains(line, want) {
		t.Errorf("%q: standard error has %q, want one line that says %q", args, line, want)
	}
	if out.Len() > 0 {
		t.Errorf("%q: standard output has %q", args, out)
	}
}

func TestReportText(t *testing.T) {
	for golden, args := range map[string][]string{
		"replay.report":      {replayed},
		"replay-port.report": {"--port", "40003", "--since", "-61s", "--top", "2", replayed},
	} {
		got, stderr := reporting(t, args...)
		if stderr != "" {
			t.Errorf("standard error has %q", stderr)
		}
		path := filepath.Join("testdata", golden)
		if *update {
			if err := os.WriteFile(path, []byte(got), 0o644); err != nil {
				t.Fatal(err)
			}
		}
		if want := string(readFile(t, path)); got != want {
			t.Errorf("the report is\n%s\nwant (see what -update changes):\n%s", got, want)
		}
	}
}

// The contract's fields, as another program reads them (DESIGN.md, 3).
func TestReportJSON(t *testing.T) {
	text, _ := reporting(t, "--format", "json", replayed)
	var got struct {
		Complete            bool
		Lost                int
		From, To            time.Time
		Hosts               []string
		Lifetimes, Failures int
		Findings            []any
		Top                 struct{ Processes, Destinations, Paths []map[string]any }
		States              map[string]struct {
			P50   int64   `json:"p50_ns"`
			P90   int64   `json:"p90_ns"`
			P99   int64   `json:"p99_ns"`
			Max   int64   `json:"max_ns"`
			Share float64 `json:"share"`
		}
	}
	if err := json.Unmarshal([]byte(text), &got); err != nil {
		t.Fatalf("%v:\n%s", err, text)
	}
	if !got.Complete || got.Lost != 0 || got.Lifetimes != 8 || got.Failures != 3 || len(got.Hosts) != 1 || got.Hosts[0] != "web1" || !got.To.After(got.From) {
		t.Errorf("%+v", got)
	}
	if got.Findings == nil || len(got.Top.Processes) == 0 || len(got.Top.Destinations) == 0 || len(got.Top.Paths) == 0 {
		t.Errorf("%+v", got)
	}
	if tw := got.States["TIME_WAIT"]; tw.Max != 61719184655 || tw.P50 > tw.P90 || tw.P90 > tw.P99 || tw.P99 > tw.Max || tw.Share < 0.98 {
		t.Errorf("%+v", tw)
	}
}

// The recording is of before owners had units: all of them are unknown.
func TestReportBy(t *testing.T) {
	for by, title := range map[string]string{"process": "Processes", "unit": "Units", "container": "Containers", "pod": "Pods", "exe": "Executables", "user": "Users", "netns": "Network namespaces"} {
		text, _ := reporting(t, "--by", by, replayed)
		page, _ := reporting(t, "--by", by, "--format", "html", replayed)
		if !strings.Contains(text, "\n"+title+"\n") || !strings.Contains(page, `"by":"`+title+`"`) {
			t.Errorf("by %s: no table of %s:\n%s", by, title, text)
		}
	}
	refused(t, 2, `--by: "thread": want process or exe or unit or container or pod or user or netns`, "--by", "thread", replayed)
}

func TestReportRefuses(t *testing.T) {
	dir := t.TempDir()
	empty := filepath.Join(dir, "empty")
	if err := os.WriteFile(empty, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	refused(t, 1, "empty: there is no recording in it", replayed, empty)
	refused(t, 1, dir+": a directory", dir)
	refused(t, 1, "none: no such file", filepath.Join(dir, "none"))
	refused(t, 1, "nothing was recorded then: the recording is from 2026-11-23T20:49:27Z to 2026-11-23T20:50:28Z", "--since", "2026-11-24T00:00:00Z", replayed)
	refused(t, 1, "standard input: empty", "-")
	refused(t, 2, "is not after --since", "--since", "-10s", "--until", "-20s", replayed)
	refused(t, 2, "exists already", "-o", empty, replayed)
	refused(t, 2, "no such file or directory", "-o", filepath.Join(dir, "no", "x"), replayed)
}

func TestReportIntoFile(t *testing.T) {
	want, _ := reporting(t, "--format", "json", replayed)
	path := filepath.Join(t.TempDir(), "x.json")
	if out, _ := reporting(t, "--format", "json", "-o", path, replayed); out != "" {
		t.Errorf("standard output has %q", out)
	}
	if got := string(readFile(t, path)); got != want {
		t.Errorf("the file has %q, want %q", got, want)
	}
}

func TestReportPage(t *testing.T) {
	path := filepath.Join(t.TempDir(), "x.html")
	if out, _ := reporting(t, "--format", "html", "--proto", "tcp", "-o", path, replayed); out != "" {
		t.Errorf("standard output has %q", out)
	}
	got := string(readFile(t, path))
	for _, want := range []string{"<!DOCTYPE html>", "web1", "--proto tcp", "Content-Security-Policy"} {
		if !strings.Contains(got, want) {
			t.Errorf("the page lacks %q", want)
		}
	}
	if strings.Contains(got, "src=\"http") || strings.Contains(got, "href=\"http") {
		t.Error("the page loads from elsewhere")
	}
}

func TestReportFromStdin(t *testing.T) {
	e, out, errs := testEnv("report", "--format", "json", "-")
	data := readFile(t, replayed)
	e.stdin = bytes.NewReader(data[:len(data)-30])
	if status := run(e); status != 0 {
		t.Fatalf("exit status %d: %s", status, errs)
	}
	if want := "porttrace: standard input: the last line is torn, and was skipped\n"; errs.String() != want {
		t.Errorf("standard error has %q, want %q", errs, want)
	}
	if !strings.HasPrefix(out.String(), "{\n  \"complete\": false,") {
		t.Errorf("the report is %s", out)
	}
	e, _, errs = testEnv("report", "--since", "-10m", "-")
	e.stdin = bytes.NewReader(data)
	if status := run(e); status != 1 || !strings.Contains(errs.String(), "where it ends is not known before it is read") {
		t.Errorf("exit status %d: %s", status, errs)
	}
}

func TestReportProgress(t *testing.T) {
	for _, tc := range []struct {
		watched bool
		step    time.Duration // between two looks at the clock
		want    bool
	}{{true, 2 * time.Second, true}, {true, time.Millisecond, false}, {false, 2 * time.Second, false}} {
		e, _, errs := testEnv("report", replayed)
		e.watched = func() bool { return tc.watched }
		now := time.Now()
		e.now = func() time.Time {
			now = now.Add(tc.step)
			return now
		}
		if status := run(e); status != 0 {
			t.Fatalf("exit status %d: %s", status, errs)
		}
		bar := errs.String()
		if got := strings.Contains(bar, "reading ["); got != tc.want {
			t.Errorf("%+v: standard error has %q", tc, bar)
		}
		if tc.want && (!strings.Contains(bar, "100 %") || !strings.HasSuffix(bar, "\r\x1b[K")) {
			t.Errorf("the bar does not end well: %q", bar)
		}
	}
}
