//go:build linux

package main

import (
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"porttrace/internal/lifetime"
)

// onFullDisk starts a trace whose recording goes to a disk of 2 MiB, and fills that;
// small/filler has most of it.
func onFullDisk(t *testing.T, name string) (c *clientProcess, p *process) {
	t.Helper()
	c = newClient(t, 40000, 40100)
	p = prepare(t, "-q", "-o", filepath.Join("small", name), c.netns())
	mountTmpfs(t, p.path("small"), 0, "size=2m")
	if err := os.WriteFile(p.path("small/filler"), make([]byte, 2<<20-24<<10), 0o600); err != nil {
		t.Fatal(err)
	}
	p.start().waitTracing()
	p.until("the disk is full", func() bool {
		c.do("storm", 50)
		return strings.Contains(p.stderr.String(), "no space left on device")
	})
	return c, p
}

// A disk that stays full is said once; the trace goes on, and its end says what is
// missing: in the recording, where the few bytes left take it, and by the exit status
// where they do not.
func TestFullDisk(t *testing.T) {
	for _, name := range []string{"x.jsonl", "x.jsonl.zst"} {
		t.Run(name, func(t *testing.T) {
			c, p := onFullDisk(t, name)
			for range 5 {
				c.do("storm", 50)
			}
			if err := os.WriteFile(p.path("small/more"), make([]byte, 64<<10), 0o600); err == nil {
				t.Fatal("there is room")
			}
			p.signal(syscall.SIGINT)
			p.waitAny(0, 1)
			p.wantNotice("tracing goes on")
			p.wantNotice("events LOST: the recording is incomplete")
			records, torn := readRecords(t, readFile(t, p.path("small/"+name)))
			if torn || len(records) < 10 && name == "x.jsonl" { // compressed, the first frame may not have fitted
				t.Errorf("%d records are readable, torn %v", len(records), torn)
			}
			if p.cmd.ProcessState.Success() {
				wantHole(t, records)
			} else {
				p.wantNotice("missing at its end")
			}
		})
	}
}

// wantHole checks that a recording tells of what it lacks.
func wantHole(t *testing.T, records []*lifetime.Record) {
	t.Helper()
	var lost uint64
	for _, r := range ofType(records, lifetime.Lost) {
		lost += r.Lost.Events
	}
	end := records[len(records)-1].End
	if end == nil || end.Lost == 0 || end.Lost != lost || end.Complete {
		t.Fatalf("the end says %+v, lost records add up to %d", end, lost)
	}
}

// With room again the recording goes on, and tells of the hole.
func TestFullDiskWithRoomAgain(t *testing.T) {
	for _, name := range []string{"x.jsonl", "x.jsonl.zst"} {
		t.Run(name, func(t *testing.T) {
			c, p := onFullDisk(t, name)
			c.do("storm", 50)
			if err := os.Remove(p.path("small/filler")); err != nil {
				t.Fatal(err)
			}
			p.until("it records again", func() bool { return strings.Contains(p.stderr.String(), "again") })
			opened := c.do("open", 3)
			c.do("close")
			p.interruptTo(0)
			records, torn := readRecords(t, readFile(t, p.path("small/"+name)))
			if torn {
				t.Error("the recording is torn")
			}
			wantHole(t, records)
			ended := map[uint16]bool{}
			for _, r := range c.own(records, lifetime.Release) {
				ended[r.Hold.Port] = true
			}
			for _, port := range opened {
				if !ended[port] {
					t.Errorf("port %d, closed after the hole, is not in the recording", port)
				}
			}
		})
	}
}

// interruptTo is interrupt for a trace that ends with another status.
func (p *process) interruptTo(status int) {
	p.t.Helper()
	p.signal(syscall.SIGINT)
	p.wait(status)
}

// A recording that is removed under the tracer is said at once, and at the end.
func TestRemovedRecording(t *testing.T) {
	c := newClient(t, 40000, 40100)
	p := tracing(t, "-q", "-o", "x.jsonl", c.netns())
	if err := os.Remove(p.path("x.jsonl")); err != nil {
		t.Fatal(err)
	}
	deadline := time.Now().Add(patience)
	p.until("it says so", func() bool {
		c.do("storm", 1)
		return strings.Contains(p.stderr.String(), "was removed") || time.Now().After(deadline)
	})
	p.interruptTo(1)
}
