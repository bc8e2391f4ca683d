//go:build linux

package main

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"

	"porttrace/internal/confine"
	"porttrace/internal/lifetime"
	"porttrace/internal/privilege"
	"porttrace/internal/testutil"
)

// threadStatus is what /proc tells of one.
type threadStatus map[string]string

// threads reads the status of every thread that a process has now.
func (p *process) threads() []threadStatus {
	p.t.Helper()
	files, err := filepath.Glob(fmt.Sprintf("/proc/%d/task/*/status", p.cmd.Process.Pid))
	if err != nil || len(files) == 0 {
		p.t.Fatalf("%d threads, %v", len(files), err)
	}
	var all []threadStatus
	for _, name := range files {
		text, err := os.ReadFile(name)
		if err != nil {
			continue // it has ended
		}
		of := threadStatus{}
		for line := range strings.Lines(string(text)) {
			key, value, _ := strings.Cut(line, ":")
			of[key] = strings.TrimSpace(value)
		}
		all = append(all, of)
	}
	return all
}

func (t threadStatus) set(name string) privilege.Set {
	set, err := strconv.ParseUint(t[name], 16, 64)
	if err != nil {
		return ^privilege.Set(0)
	}
	return privilege.Set(set)
}

// wantConfined checks every thread of a tracer. filing is what the one keeps that makes
// files; -1: there is none.
func (p *process) wantConfined(filing int64) {
	p.t.Helper()
	looking := privilege.For(privilege.Looking)
	hands := 0
	for _, th := range p.threads() {
		if th["NoNewPrivs"] != "1" || th["Seccomp"] != "2" {
			p.t.Errorf("thread %s: no_new_privs %s, seccomp %s", th["Pid"], th["NoNewPrivs"], th["Seccomp"])
		}
		for _, name := range []string{"CapInh", "CapAmb", "CapBnd"} {
			if got := th.set(name); got != 0 {
				p.t.Errorf("thread %s: %s %x", th["Pid"], name, got)
			}
		}
		switch held := th.set("CapEff"); {
		case held != th.set("CapPrm"):
			p.t.Errorf("thread %s: permitted is %x, effective %x", th["Pid"], th.set("CapPrm"), held)
		case held == looking:
		case filing >= 0 && held == privilege.Set(filing):
			hands++
		default:
			p.t.Errorf("thread %s has %x, want %x", th["Pid"], held, looking)
		}
	}
	if filing >= 0 && hands != 1 || filing < 0 && hands != 0 {
		p.t.Errorf("%d threads make files", hands)
	}
}

// The kernel's own words of a running tracer, whatever it writes to.
func TestTracerIsConfined(t *testing.T) {
	for name, tc := range map[string]struct {
		args   string
		env    []string
		filing int64
	}{
		"no file":           {"-o none -q", nil, -1},
		"standard output":   {"-o -", nil, -1},
		"its own folder":    {"-q -o x.jsonl", nil, 0},
		"for a sudoer":      {"-q -o x.jsonl", []string{"SUDO_UID=1000", "SUDO_GID=1000"}, int64(privilege.For(privilege.Filing))},
		"a port and states": {"--port 40000 --states -o none", nil, -1},
	} {
		t.Run(name, func(t *testing.T) {
			c := newClient(t, 40000, 40100)
			p := prepare(t, append(strings.Fields(tc.args), c.netns())...)
			p.cmd.Env = append(p.cmd.Env, tc.env...)
			p.start().waitTracing()
			p.wantConfined(tc.filing)
			c.do("open", 20)
			c.do("storm", 200)
			c.do("close")
			p.wantConfined(tc.filing) // also of threads made since
			p.interrupt()
		})
	}
}

// What is made when the tracer is confined already it sees as well: namespaces, their
// ranges, and what is held there at a loss.
func TestConfinedTracerSeesNewNamespaces(t *testing.T) {
	testutil.NeedBPF(t)
	p := tracing(t, "-q", "-o", "x.jsonl")
	c := newClient(t, 41000, 41009)
	opened := c.do("open", 10)
	c.do("fail")
	p.until("the pool is told", func() bool {
		records, _ := readRecords(t, readFile(t, p.path("x.jsonl")))
		return slices.ContainsFunc(records, c.isPool)
	})
	c.do("close")
	p.interrupt()
	records, _ := readRecords(t, readFile(t, p.path("x.jsonl")))
	c.wantLifetimes(records, opened)
	if !slices.ContainsFunc(records, func(r *lifetime.Record) bool {
		return r.Failure != nil && r.Failure.NetNS == c.ns.Inode && r.Failure.Cause == lifetime.RangeExhausted
	}) {
		t.Error("no failure whose cause takes the namespace's range")
	}
}

// isPool says whether a record is of the client's pool of ten ports.
func (c *clientProcess) isPool(r *lifetime.Record) bool {
	return r.Pool != nil && r.Pool.NetNS == c.ns.Inode && r.Pool.Usable == 10
}

// The folder of the recording may not be left, also not by one of the same name.
func TestConfinedToTheFolderItHad(t *testing.T) {
	c := newClient(t, 40000, 40100)
	p := prepare(t, "-q", "-o", "logs/x.jsonl", c.netns())
	if err := os.Mkdir(p.path("logs"), 0o755); err != nil {
		t.Fatal(err)
	}
	p.start().waitTracing()
	opened := c.do("open", 3)
	if err := os.Rename(p.path("logs"), p.path("old")); err != nil {
		t.Fatal(err)
	}
	if err := os.Rename(p.path("old/x.jsonl"), p.path("old/y.jsonl")); err != nil {
		t.Fatal(err)
	}
	p.signal(syscall.SIGHUP)
	p.until("the recording goes on where the folder is", func() bool {
		_, err := os.Stat(p.path("old/x.jsonl"))
		return err == nil
	})
	c.do("close")
	p.interrupt()
	before, _ := readRecords(t, readFile(t, p.path("old/y.jsonl")))
	after, _ := readRecords(t, readFile(t, p.path("old/x.jsonl")))
	c.wantLifetimes(append(before, after...), opened)
}

// A folder of the old name is another folder, and that is said.
func TestConfinedAndTheFolderMadeAnew(t *testing.T) {
	testutil.Need(t, confine.ABI() > 0, "Landlock (Linux 5.13)")
	c := newClient(t, 40000, 40100)
	p := prepare(t, "-q", "-o", "logs/x.jsonl", c.netns())
	for range 2 {
		if err := errors.Join(os.RemoveAll(p.path("logs")), os.Mkdir(p.path("logs"), 0o755)); err != nil {
			t.Fatal(err)
		}
		if p.cmd.Process == nil {
			p.start().waitTracing()
		}
	}
	p.signal(syscall.SIGHUP)
	p.until("it says so", func() bool { return strings.Contains(p.stderr.String(), "was made anew") })
	p.signal(syscall.SIGINT)
	p.wait(1)
	p.wantNotice("was removed while it was written")
}
