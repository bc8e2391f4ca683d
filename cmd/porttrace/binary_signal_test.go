//go:build linux

package main

import (
	"os"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"porttrace/internal/lifetime"
)

func TestSignalsEndWell(t *testing.T) {
	for _, sig := range []syscall.Signal{syscall.SIGINT, syscall.SIGTERM} {
		for _, name := range []string{"x.jsonl", "x.jsonl.zst"} {
			t.Run(sig.String()+" "+name, func(t *testing.T) {
				c := newClient(t, 40000, 40100)
				p := tracing(t, "-o", name, c.netns())
				opened := c.do("open", 23)
				c.do("close")
				p.signal(sig) // with events still in the ring
				p.wait(0)
				records := whole(t, readFile(t, p.path(name)))
				c.wantLifetimes(records, opened)
				p.wantNotice("23 assigned, 23 released, 0 still held, 0 failures" + lostOf(records))
			})
		}
	}
}

func TestSignalBeforeTracing(t *testing.T) {
	c := newClient(t, 40000, 40001)
	p := prepare(t, "-o", "x.jsonl", c.netns()).start()
	p.until("the recording is there", func() bool { return len(p.files()) > 0 })
	p.interrupt()
	whole(t, readFile(t, p.path("x.jsonl")))
}

// Under nohup a hang-up is to be ignored.
func TestIgnoredHangUp(t *testing.T) {
	c := newClient(t, 40000, 40100)
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	p := prepareCommand(t, "/bin/sh", "-c", `trap "" HUP; exec "$0" "$@"`, self, "-o", "x.jsonl", c.netns())
	p.start().waitTracing()
	p.signal(syscall.SIGHUP)
	opened := c.do("open", 3)
	c.do("close")
	p.waitLines("x.jsonl", 3, `"type":"release"`)
	p.interrupt()
	c.wantLifetimes(whole(t, readFile(t, p.path("x.jsonl"))), opened)
}

// stuckPipe is a full pipe that nobody reads.
func stuckPipe(t *testing.T) *os.File {
	t.Helper()
	read, write, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { read.Close(); write.Close() })
	size, err := unix.FcntlInt(write.Fd(), unix.F_GETPIPE_SZ, 0)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := write.Write(make([]byte, size)); err != nil {
		t.Fatal(err)
	}
	return write
}

// A first signal gives a reader who does not read some time; a second one does not.
func TestSecondSignalEndsAtOnce(t *testing.T) {
	for sig, status := range map[syscall.Signal]int{syscall.SIGINT: 130, syscall.SIGTERM: 143} {
		t.Run(sig.String(), func(t *testing.T) {
			c := newClient(t, 40000, 40100)
			p := prepare(t, "--format", "json", "-o", "x.jsonl", c.netns())
			p.cmd.Stdout = stuckPipe(t)
			p.start().waitTracing()
			p.waitLines("x.jsonl", 1, `"type":"start"`) // standard output comes next
			p.untilExit(func() { p.signal(sig) })
			p.wait(status)
			p.wantNotice("stopped at once by a second signal: the recording has no end")
			readRecords(t, readFile(t, p.path("x.jsonl")))
		})
	}
}

// What was written survives a kill, and what happened is written within a second or so.
func TestKill(t *testing.T) {
	for _, name := range []string{"x.jsonl", "x.jsonl.zst"} {
		t.Run(name, func(t *testing.T) {
			c := newClient(t, 40000, 40100)
			p := tracing(t, "--format", "json", "-o", name, c.netns())
			opened := c.do("open", 23)
			c.do("close")
			p.until("the releases are written", func() bool {
				records, _ := readRecords(t, readFile(t, p.path(name)))
				return len(c.own(records, lifetime.Release)) == 23
			})
			p.signal(syscall.SIGKILL)
			p.wait(128 + int(syscall.SIGKILL))
			records, _ := readRecords(t, readFile(t, p.path(name)))
			c.wantLifetimes(records, opened)
		})
	}
}

// A kill costs no more than the last second: what is older is in the file. Where others
// keep the tracer from the CPU it takes longer, so the best of a few counts.
func TestRecordedWithinASecond(t *testing.T) {
	for _, name := range []string{"x.jsonl", "x.jsonl.zst"} {
		t.Run(name, func(t *testing.T) {
			c := newClient(t, 40000, 40100)
			p := tracing(t, "-q", "-o", name, c.netns())
			best := time.Hour
			for n := 1; n <= 5 && best > time.Second; n++ {
				c.do("open", 1)
				c.do("close")
				closed := time.Now()
				p.until("the release is in the file", func() bool {
					records, _ := readRecords(t, readFile(t, p.path(name)))
					return len(c.own(records, lifetime.Release)) == n
				})
				best = min(best, time.Since(closed))
			}
			if best > time.Second {
				t.Errorf("it takes %v", best)
			}
			p.interrupt()
		})
	}
}

// Whoever reads the table may stop at any line; the recording is for later.
func TestStandardOutputGone(t *testing.T) {
	for _, format := range []string{"table", "json"} {
		t.Run(format, func(t *testing.T) {
			c := newClient(t, 40000, 40100)
			p := prepare(t, "--format", format, "-o", "x.jsonl", c.netns())
			read, write, err := os.Pipe()
			if err != nil {
				t.Fatal(err)
			}
			p.cmd.Stdout = write
			p.start().waitTracing()
			write.Close()
			opened := c.do("open", 7)
			if n, err := read.Read(make([]byte, 1)); n != 1 || err != nil { // as head does
				t.Fatalf("read %d bytes: %v", n, err)
			}
			read.Close()
			p.untilExit(func() { c.do("storm", 1) })
			p.wait(1)
			p.wantNotice("broken pipe")
			c.wantHeld(whole(t, readFile(t, p.path("x.jsonl"))), opened)
		})
	}
}

// The answer about a port is the first thing to fail.
func TestStandardOutputGoneFromTheStart(t *testing.T) {
	c := newClient(t, 40000, 40000)
	c.do("open", 1)
	p := prepare(t, "--port", "40000", "-o", "x.jsonl", c.netns())
	read, write, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	read.Close()
	p.cmd.Stdout = write
	p.start()
	write.Close()
	p.wait(1)
	p.wantNotice("writing the answer about ports: write /dev/stdout: broken pipe")
	if records := whole(t, readFile(t, p.path("x.jsonl"))); len(records) != 4 {
		t.Errorf("%d records, want start, held twice, end", len(records))
	}
}

// A recording that goes to a closed pipe cannot be completed.
func TestRecordingToClosedPipe(t *testing.T) {
	c := newClient(t, 40000, 40100)
	p := prepare(t, "-o", "-", c.netns())
	read, write, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	read.Close()
	p.cmd.Stdout = write
	p.start()
	write.Close()
	p.wait(1)
	p.wantNotice("writing recording: write /dev/stdout: broken pipe")
}
