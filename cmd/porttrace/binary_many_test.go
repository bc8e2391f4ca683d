//go:build linux

package main

import (
	"bytes"
	"errors"
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"syscall"
	"testing"

	"github.com/cilium/ebpf"

	"porttrace/internal/lifetime"
)

func TestManyFlows(t *testing.T) {
	c := newClient(t, 40000, 41000)
	p := tracing(t, "-q", "-o", "x.jsonl", c.netns())
	opened := c.do("open", 199)
	c.do("close")
	opened = append(opened, c.do("open", 1)...)
	p.interrupt()
	c.do("close")
	data := readFile(t, p.path("x.jsonl"))
	wantJSONLines(t, data)
	records := whole(t, data)
	if held := c.own(records, lifetime.HeldAtEnd); len(held) != 1 || held[0].Hold.Port != opened[199] {
		t.Errorf("%d held at the end", len(held))
	}
	if a, r := len(c.own(records, lifetime.Assign)), len(c.own(records, lifetime.Release)); a != 200 || r != 199 {
		t.Errorf("%d assigned and %d released, want 200 and 199", a, r)
	}
}

// Tracers do not get in each other's way, and leave nothing behind however they end.
func TestSideBySide(t *testing.T) {
	c := newClient(t, 40000, 40100)
	one := tracing(t, "-o", "x.jsonl", "--format", "json", c.netns())
	two := tracing(t, "-o", "x.jsonl", c.netns())
	oneIDs, twoIDs := one.programs(), two.programs()
	if len(oneIDs) < 10 || len(twoIDs) < 10 {
		t.Fatalf("%d and %d programs are loaded", len(oneIDs), len(twoIDs))
	}
	opened := c.do("open", 23)
	c.do("close")
	two.interrupt()
	c.wantLifetimes(whole(t, readFile(t, two.path("x.jsonl"))), opened)
	wantUnloaded(t, twoIDs)

	// The other one still sees everything.
	opened = append(opened, c.do("open", 23)...)
	c.do("close")
	one.until("all releases are in the file", func() bool {
		return bytes.Count(readFile(t, one.path("x.jsonl")), []byte(`"type":"release"`)) == len(opened)
	})
	one.signal(syscall.SIGKILL)
	one.wait(128 + int(syscall.SIGKILL))
	records, _ := readRecords(t, readFile(t, one.path("x.jsonl")))
	c.wantLifetimes(records, opened)
	wantUnloaded(t, oneIDs)
}

var programID = regexp.MustCompile(`(?m)^prog_id:\s+(\d+)$`)

// programs returns the ids of the BPF programs that the process has loaded or attached.
func (p *process) programs() []ebpf.ProgramID {
	p.t.Helper()
	return heldPrograms(p.t, strconv.Itoa(p.cmd.Process.Pid))
}

// heldPrograms returns the ids of the BPF programs that a process has loaded or attached;
// "*" stands for all processes.
func heldPrograms(t *testing.T, pid string) []ebpf.ProgramID {
	t.Helper()
	infos, err := filepath.Glob("/proc/" + pid + "/fdinfo/*")
	if err != nil {
		t.Fatal(err)
	}
	var ids []ebpf.ProgramID
	for _, path := range infos {
		info, _ := os.ReadFile(path) // some descriptors close meanwhile
		for _, match := range programID.FindAllStringSubmatch(string(info), -1) {
			id, err := strconv.ParseUint(match[1], 10, 32)
			if err != nil {
				t.Fatal(err)
			}
			ids = append(ids, ebpf.ProgramID(id))
		}
	}
	return ids
}

// wantUnloaded waits until the kernel has none of these programs any more, which it
// frees some time after they are detached. One that is attached it never frees.
func wantUnloaded(t *testing.T, ids []ebpf.ProgramID) {
	t.Helper()
	for _, id := range ids {
		waitFor(t, "BPF program "+strconv.Itoa(int(id))+" is gone", func() bool {
			p, err := ebpf.NewProgramFromID(id)
			if err == nil {
				p.Close()
			} else if !errors.Is(err, os.ErrNotExist) {
				t.Fatalf("looking at BPF program %d: %v", id, err)
			}
			return err != nil
		})
	}
}

// A ring that is too small for a storm: what was lost is said everywhere, and the rest
// goes on.
func TestLosses(t *testing.T) {
	c := newClient(t, 40000, 49999)
	p := tracing(t, "-q", "--buffer-size", "4096", "-o", "x.jsonl", c.netns())
	p.until("losses are told", func() bool {
		c.do("storm", 1000)
		return strings.Contains(p.stderr.String(), "events: the ring buffer was full (try --buffer-size ")
	})
	p.interrupt()
	p.wantNotice("events LOST: the recording is incomplete")
	data := readFile(t, p.path("x.jsonl"))
	wantJSONLines(t, data)
	records := wholeButLost(t, data)
	end := records[len(records)-1].End
	var lost uint64
	for _, r := range ofType(records, lifetime.Lost) {
		lost += r.Lost.Events
	}
	if end.Lost == 0 || end.Lost != lost || end.Complete {
		t.Errorf("the end says %+v, lost records add up to %d", *end, lost)
	}
}
