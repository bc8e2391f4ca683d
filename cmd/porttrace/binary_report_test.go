//go:build linux

package main

import (
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"porttrace/internal/lifetime"
)

// reportOf runs porttrace report as nobody, without root's rights, on standard input.
func reportOf(t *testing.T, path string, args ...string) string {
	t.Helper()
	in, err := os.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	defer in.Close()
	p := prepare(t, append([]string{"report", "-"}, args...)...)
	p.cmd.Stdin = in
	if os.Geteuid() == 0 {
		p.cmd.SysProcAttr = &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: 65534, Gid: 65534}}
		p.cmd.Dir = "/"
	}
	p.start().wait(0)
	if p.stderr.String() != "" {
		t.Errorf("standard error has %q", &p.stderr)
	}
	return p.stdout.String()
}

func TestReportNeedsNoRoot(t *testing.T) {
	path := filepath.Join("testdata", "replay.jsonl")
	if got, want := reportOf(t, path), string(readFile(t, filepath.Join("testdata", "replay.report"))); got != want {
		t.Errorf("the report is\n%s\nwant\n%s", got, want)
	}
}

// What porttrace records, porttrace reports: 23 connections, each reset, and 7 that stay.
func TestReportOfTrace(t *testing.T) {
	c := newClient(t, 40000, 40100)
	p := tracing(t, "-q", "-o", "x.jsonl.zst", c.netns())
	c.do("storm", 23)
	held := c.do("open", 7)
	p.interrupt()

	end := lastRecord(t, readFile(t, p.path("x.jsonl.zst"))).End
	var got struct {
		Complete                                  bool
		Lifetimes, Failures, Released, Held, Lost uint64
		Top                                       struct {
			Processes []struct {
				PID   int
				Holds uint64
			}
		}
	}
	if err := json.Unmarshal([]byte(reportOf(t, p.path("x.jsonl.zst"), "--format", "json")), &got); err != nil {
		t.Fatal(err)
	}
	if got.Complete != end.Complete || got.Lifetimes != end.BeforeStart+end.Assigned || got.Released != end.Released ||
		got.Held != end.Held || got.Failures != end.Failures || got.Lost != end.Lost {
		t.Errorf("the report says %+v, the end record %+v", got, end)
	}
	if top := got.Top.Processes; len(top) == 0 || top[0].PID != c.pid || top[0].Holds < 23+7 {
		t.Errorf("the client had %d connections: %+v", 23+len(held), top)
	}
	text := reportOf(t, p.path("x.jsonl.zst"))
	for _, want := range []string{"connect", "127.0.0.1:", "reset"} {
		if !strings.Contains(text, want) {
			t.Errorf("the report lacks %q:\n%s", want, text)
		}
	}
}

func lastRecord(t *testing.T, data []byte) *lifetime.Record {
	t.Helper()
	records := wholeButLost(t, data)
	return records[len(records)-1]
}
