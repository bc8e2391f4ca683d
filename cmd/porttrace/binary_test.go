//go:build linux

package main

import (
	"bytes"
	"context"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"
)

// The tests in binary_*_test.go run the program itself, in a process of its own: the
// test binary is porttrace where roleEnv says so.
const roleEnv = "PORTTRACE_TEST_ROLE"

// patience is how long a condition may take on a loaded machine, and a third of what a run may.
const patience = 60 * time.Second

func TestMain(m *testing.M) {
	role := os.Getenv(roleEnv)
	os.Unsetenv(roleEnv)
	switch role {
	case "porttrace":
		main()
	case "client":
		os.Exit(client())
	case "container":
		os.Exit(contain())
	case "host":
		os.Exit(furnish())
	case "few files":
		os.Exit(limitFiles())
	}
	os.Exit(m.Run())
}

// process is a run of the program. Its fields may be changed before start.
type process struct {
	t              *testing.T
	cmd            *exec.Cmd
	dir            string // its working directory
	stdout, stderr capture
	exited         chan struct{}
	stop           context.CancelFunc
}

// capture keeps what a process writes; it can be read meanwhile.
type capture struct {
	mu  sync.Mutex
	buf bytes.Buffer
}

func (c *capture) Write(b []byte) (int, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.buf.Write(b)
}

func (c *capture) String() string {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.buf.String()
}

// prepare returns a run of porttrace in a folder of its own.
func prepare(t *testing.T, args ...string) *process {
	t.Helper()
	// This path also leads users to the binary who may not enter its folder.
	return prepareCommand(t, "/proc/self/exe", args...)
}

func prepareCommand(t *testing.T, name string, args ...string) *process {
	t.Helper()
	p := &process{t: t, dir: t.TempDir(), exited: make(chan struct{})}
	ctx, cancel := context.WithTimeout(context.Background(), 5*patience)
	p.stop = cancel
	p.cmd = exec.CommandContext(ctx, name, args...)
	if name == "/proc/self/exe" {
		p.cmd.Args[0] = "porttrace"
	}
	p.cmd.Dir = p.dir
	p.cmd.Stdout, p.cmd.Stderr = &p.stdout, &p.stderr
	p.cmd.Env = []string{roleEnv + "=porttrace", "TZ=UTC"}
	for _, entry := range os.Environ() {
		if name, _, _ := strings.Cut(entry, "="); name != "TZ" && name != "NO_COLOR" && !strings.HasPrefix(name, "SUDO_") {
			p.cmd.Env = append(p.cmd.Env, entry)
		}
	}
	return p
}

func (p *process) start() *process {
	p.t.Helper()
	if err := p.cmd.Start(); err != nil {
		p.t.Fatalf("starting porttrace: %v", err)
	}
	go func() {
		_ = p.cmd.Wait() // the status is in ProcessState
		close(p.exited)
	}()
	p.t.Cleanup(func() {
		p.stop()
		<-p.exited
		if p.t.Failed() {
			p.t.Logf("%q wrote to standard error:\n%s", p.cmd.Args, &p.stderr)
		}
	})
	return p
}

// tracing starts porttrace and waits until it traces.
func tracing(t *testing.T, args ...string) *process {
	t.Helper()
	return prepare(t, args...).start().waitTracing()
}

func (p *process) waitTracing() *process {
	p.t.Helper()
	p.until("it traces", func() bool { return strings.Contains(p.stderr.String(), "porttrace: tracing\n") })
	return p
}

// until waits for a condition that must come true before the process exits.
func (p *process) until(what string, ok func() bool) {
	p.t.Helper()
	for !ok() {
		select {
		case <-p.exited:
			if !ok() {
				p.t.Fatalf("porttrace exited (%v) before %s\n%s", p.cmd.ProcessState, what, &p.stderr)
			}
			return
		case <-time.After(5 * time.Millisecond):
		}
	}
}

// waitFor waits for a condition outside of any process.
func waitFor(t *testing.T, what string, ok func() bool) {
	t.Helper()
	for deadline := time.Now().Add(patience); !ok(); time.Sleep(5 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("waited %v in vain: %s", patience, what)
		}
	}
}

// untilExit repeats what must make the process exit.
func (p *process) untilExit(again func()) {
	for {
		select {
		case <-p.exited:
			return
		case <-time.After(5 * time.Millisecond):
			again()
		}
	}
}

func (p *process) signal(sig syscall.Signal) {
	p.t.Helper()
	if err := p.cmd.Process.Signal(sig); err != nil && !errors.Is(err, os.ErrProcessDone) {
		p.t.Fatalf("sending %v: %v", sig, err)
	}
}

// wait waits for the end and checks the exit status, as a shell would tell it.
func (p *process) wait(want int) {
	p.t.Helper()
	p.waitAny(want)
}

func (p *process) waitAny(want ...int) {
	p.t.Helper()
	<-p.exited
	status := p.cmd.ProcessState.Sys().(syscall.WaitStatus)
	got := status.ExitStatus()
	if status.Signaled() {
		got = 128 + int(status.Signal())
	}
	if !slices.Contains(want, got) {
		p.t.Fatalf("exit status %d, want %d\n%s", got, want, &p.stderr)
	}
}

// interrupt stops a trace as Ctrl-C does; it must end well.
func (p *process) interrupt() {
	p.t.Helper()
	p.signal(syscall.SIGINT)
	p.wait(0)
}

func (p *process) path(name string) string { return filepath.Join(p.dir, name) }

// files returns the names in the working directory.
func (p *process) files() []string {
	p.t.Helper()
	entries, err := os.ReadDir(p.dir)
	if err != nil {
		p.t.Fatal(err)
	}
	var names []string
	for _, e := range entries {
		names = append(names, e.Name())
	}
	return names
}

// wantNotice checks that standard error says exactly one line with the text.
func (p *process) wantNotice(text string) {
	p.t.Helper()
	found := 0
	for line := range strings.Lines(p.stderr.String()) {
		if !strings.HasPrefix(line, "porttrace: ") {
			p.t.Errorf("standard error has a line that is not porttrace's: %q", line)
		}
		if strings.Contains(line, text) {
			found++
		}
	}
	if found != 1 {
		p.t.Errorf("%d lines on standard error say %q, want 1:\n%s", found, text, &p.stderr)
	}
}

// wantRefusal waits for a run that refuses to begin: one line, no data, no file.
func (p *process) wantRefusal(status int, text string) {
	p.t.Helper()
	p.wait(status)
	p.wantNotice(text)
	if n := strings.Count(p.stderr.String(), "\n"); n != 1 {
		p.t.Errorf("standard error has %d lines, want 1:\n%s", n, &p.stderr)
	}
	if out := p.stdout.String(); out != "" {
		p.t.Errorf("standard output has %q", out)
	}
	if names := p.files(); len(names) > 0 {
		p.t.Errorf("it made %q", names)
	}
}
