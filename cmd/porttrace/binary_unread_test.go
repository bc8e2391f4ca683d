//go:build linux

package main

import (
	"errors"
	"fmt"
	"io"
	"os"
	"regexp"
	"strconv"
	"strings"
	"syscall"
	"testing"

	"golang.org/x/sys/unix"

	"porttrace/internal/lifetime"
)

// unread is a trace of a client whose standard output nobody reads: a pipe.
type unread struct {
	*process
	client *clientProcess
	made   int // connections
	pipe   *os.File
}

// traceUnread starts one whose lines are long, so that few connections make many bytes.
func traceUnread(t *testing.T, args ...string) *unread {
	t.Helper()
	c := newClient(t, 40000, 40100, strings.Repeat("\x01", 500))
	u := &unread{client: c, process: prepare(t, append(args, c.netns())...)}
	read, write, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	u.pipe = read
	t.Cleanup(func() { read.Close() })
	u.cmd.Stdout = write
	u.start().waitTracing()
	write.Close()
	return u
}

func (u *unread) storm(n int) {
	u.client.do("storm", n)
	u.made += n
}

// stall makes connections until there is no room for more, and then some.
func (u *unread) stall() {
	u.t.Helper()
	u.until("it says that nobody reads", func() bool {
		u.storm(200)
		return strings.Contains(u.stderr.String(), "standard output is not being read")
	})
	u.storm(1000)
}

// read reads standard output from here on, and what it says of that.
func (u *unread) read() (all func() []byte) {
	got, err := os.Create(u.path("read"))
	if err != nil {
		u.t.Fatal(err)
	}
	done := make(chan error, 1)
	go func() {
		_, err := io.Copy(got, u.pipe)
		done <- errors.Join(err, got.Close())
	}()
	u.until("it says that it is read again", func() bool {
		u.storm(1) // one row is enough
		return strings.Contains(u.stderr.String(), "standard output is read again")
	})
	return func() []byte {
		if err := <-done; err != nil {
			u.t.Error(err)
		}
		return readFile(u.t, u.path("read"))
	}
}

// wantWholeFile checks that the recording has all of the connections.
func (u *unread) wantWholeFile() {
	u.t.Helper()
	records := whole(u.t, readFile(u.t, u.path("x.jsonl")))
	assigned, released := u.client.own(records, lifetime.Assign), u.client.own(records, lifetime.Release)
	if len(assigned) != u.made || len(released) != u.made {
		u.t.Errorf("%d assigned, %d released, of %d", len(assigned), len(released), u.made)
	}
	if strings.Contains(u.stderr.String(), "ring buffer") {
		u.t.Error("the ring was overrun")
	}
}

var longRows = []string{"--format", "table", "--columns", "time,event,port,cmdline"}

// A standard output that nobody reads keeps nothing from the recording's file, is said once,
// and one signal ends the trace.
func TestUnreadStandardOutput(t *testing.T) {
	for what, args := range map[string][]string{"rows": longRows, "records": {"--format", "json"}} {
		t.Run(what, func(t *testing.T) {
			u := traceUnread(t, append(args, "-o", "x.jsonl", "--states")...)
			u.stall()
			u.interruptTo(1)
			u.wantWholeFile()
			u.wantNotice("standard output is not being read: " + what + " are left out")
			u.wantNotice(what + " left out in all")
			u.wantNotice("nothing lost")
		})
	}
}

// As a recording, standard output tells what it lacks.
func TestUnreadRecordingIsReadAgain(t *testing.T) {
	u := traceUnread(t, "-o", "-")
	u.stall()
	all := u.read()
	u.interruptTo(0)
	records, torn := readRecords(t, all())
	var lost uint64
	for _, r := range ofType(records, lifetime.Lost) {
		if r.Lost.Where == "recording" {
			lost += r.Lost.Events
		}
	}
	end := records[len(records)-1].End
	if torn || lost == 0 || end == nil || end.Lost != lost || end.Complete {
		t.Fatalf("torn %v, lost %d, the end says %+v", torn, lost, end)
	}
	seen := len(ofType(records, lifetime.Assign)) + len(ofType(records, lifetime.Release))
	if seen+int(lost) != 2*u.made || end.Assigned != uint64(u.made) || end.Released != uint64(u.made) {
		t.Errorf("%d seen, %d lost, of %d; the end says %+v", seen, lost, 2*u.made, *end)
	}
	u.wantNotice(fmt.Sprintf("%d events LOST: the recording is incomplete", lost))
}

// Beside a file, it says of itself what it lacks, and nothing is missing from the file.
func TestUnreadCopyIsReadAgain(t *testing.T) {
	u := traceUnread(t, "--format", "json", "-o", "x.jsonl")
	u.stall()
	all := u.read()
	u.interruptTo(0)
	u.wantWholeFile()
	records, torn := readRecords(t, all())
	if torn {
		t.Error("standard output is torn")
	}
	wantHole(t, records)
	u.wantNotice("nothing lost")
	u.wantNotice(fmt.Sprintf("standard output lacks %d records", records[len(records)-1].End.Lost))
}

func TestUnreadTableIsReadAgain(t *testing.T) {
	u := traceUnread(t, append(longRows, "-o", "x.jsonl")...)
	u.stall()
	all := u.read()
	u.interruptTo(0)
	u.wantWholeFile()
	left := regexp.MustCompile(`standard output lacks (\d+) rows`).FindStringSubmatch(u.stderr.String())
	if left == nil {
		t.Fatal("it does not say how many rows were left out")
	}
	lacks, _ := strconv.Atoi(left[1])
	text := string(all())
	if seen := strings.Count(text, " assign ") + strings.Count(text, " release "); seen+lacks != 2*u.made {
		t.Errorf("%d rows seen, %d left out, of %d", seen, lacks, 2*u.made)
	}
}

// A terminal that was stopped (Ctrl-S) takes no notices either.
func TestStoppedTerminal(t *testing.T) {
	c := newClient(t, 40000, 40100, strings.Repeat("\x01", 500))
	p := prepare(t, append(longRows, "-o", "x.jsonl", "--states", c.netns())...)
	master := p.terminal()
	p.cmd.Stderr = p.cmd.Stdout
	p.start()
	p.shown(master, 1, "tracing")
	const stopOutput = 0 // TCOOFF
	if err := unix.IoctlSetInt(int(p.cmd.Stdout.(*os.File).Fd()), unix.TCXONC, stopOutput); err != nil {
		t.Fatal(err)
	}
	made := 0
	for range 20 {
		c.do("storm", 200)
		made += 200
	}
	p.waitLines("x.jsonl", made, `"type":"release"`)
	p.signal(syscall.SIGINT)
	p.wait(1)
	if n := len(c.own(whole(t, readFile(t, p.path("x.jsonl"))), lifetime.Release)); n != made {
		t.Errorf("%d released, of %d", n, made)
	}
}
