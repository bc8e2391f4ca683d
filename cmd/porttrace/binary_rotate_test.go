//go:build linux

package main

import (
	"bytes"
	"fmt"
	"os"
	"strings"
	"syscall"
	"testing"

	"porttrace/internal/lifetime"
)

// The parts of a rotated recording are readable alone, and together are the whole.
func TestRotation(t *testing.T) {
	for _, suffix := range []string{"jsonl", "jsonl.zst"} {
		t.Run(suffix, func(t *testing.T) {
			c := newClient(t, 40000, 40100)
			p := tracing(t, "-q", "--rotate-size", "16K", "-o", "x."+suffix, c.netns())
			p.until("there are three parts", func() bool {
				c.do("storm", 50)
				return len(p.files()) >= 3
			})
			p.interrupt()
			var all []*lifetime.Record
			for part := 1; part <= len(p.files()); part++ {
				name := fmt.Sprintf("x.%d.%s", part, suffix)
				if part == len(p.files()) {
					name = "x." + suffix
				}
				records, torn := readRecords(t, readFile(t, p.path(name)))
				if torn || len(records) < 2 || records[0].Start == nil || records[0].Start.Part != part {
					t.Fatalf("%s: %d records, torn %v", name, len(records), torn)
				}
				all = append(all, records...)
			}
			end := all[len(all)-1].End
			if end == nil || end.Assigned != uint64(len(ofType(all, lifetime.Assign))) || end.Released != uint64(len(ofType(all, lifetime.Release))) {
				t.Errorf("the end says %+v of %d assigned, %d released", end, len(ofType(all, lifetime.Assign)), len(ofType(all, lifetime.Release)))
			}
		})
	}
}

func TestRotationKeeps(t *testing.T) {
	c := newClient(t, 40000, 40100)
	p := tracing(t, "-q", "--rotate-size", "4K", "--rotate-keep", "2", "-o", "x.jsonl", c.netns())
	p.until("the first parts are gone", func() bool {
		c.do("storm", 20)
		names := strings.Join(p.files(), " ")
		return strings.Count(names, ".jsonl") == 3 && !strings.Contains(names, "x.1.jsonl")
	})
	p.interrupt()
	if names := p.files(); len(names) != 3 {
		t.Errorf("it kept %q, want two parts and the last", names)
	}
}

// What logrotate does: the file is moved away, and SIGHUP asks for a new one.
func TestHangUpRenewsTheRecording(t *testing.T) {
	for _, name := range []string{"x.jsonl", "x.jsonl.zst"} {
		t.Run(name, func(t *testing.T) {
			c := newClient(t, 40000, 40100)
			p := tracing(t, "-q", "-o", name, c.netns())
			first := c.do("open", 3)
			if err := os.Rename(p.path(name), p.path("old")); err != nil {
				t.Fatal(err)
			}
			p.signal(syscall.SIGHUP)
			p.until("there is a new file", func() bool { return len(p.files()) == 2 })
			second := c.do("open", 3)
			c.do("close")
			p.interrupt()
			old, tornOld := readRecords(t, readFile(t, p.path("old")))
			now, tornNow := readRecords(t, readFile(t, p.path(name)))
			if tornOld || tornNow || len(now) == 0 || now[0].Type != lifetime.Start || now[0].Start.Part != 2 {
				t.Fatalf("torn: old %v, new %v", tornOld, tornNow)
			}
			all := append(old, now...)
			end := all[len(all)-1].End
			if end == nil || end.Lost != 0 && !isKernels(t, all) || int(end.Released) != len(first)+len(second) {
				t.Errorf("the end says %+v", end)
			}
			if n := len(c.own(all, lifetime.Release)); n != len(first)+len(second) {
				t.Errorf("%d releases in both, want %d", n, len(first)+len(second))
			}
		})
	}
}

// Without a file there is nothing to renew: SIGHUP ends the trace as it always did.
func TestHangUpWithoutFile(t *testing.T) {
	c := newClient(t, 40000, 40100)
	p := tracing(t, "-o", "-", c.netns())
	opened := c.do("open", 3)
	c.do("close")
	p.signal(syscall.SIGHUP)
	p.wait(0)
	c.wantLifetimes(whole(t, []byte(p.stdout.String())), opened)
}

// The name is still ours: SIGHUP changes nothing.
func TestHangUpInPlace(t *testing.T) {
	c := newClient(t, 40000, 40100)
	p := tracing(t, "-q", "-o", "x.jsonl", c.netns())
	opened := c.do("open", 3)
	p.signal(syscall.SIGHUP)
	c.do("close")
	p.interrupt()
	data := readFile(t, p.path("x.jsonl"))
	if n := bytes.Count(data, []byte(`"type":"start"`)); n != 1 {
		t.Errorf("%d start records", n)
	}
	c.wantLifetimes(whole(t, data), opened)
}
