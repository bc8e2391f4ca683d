package main

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"time"
)

// contender is one way of watching the storm. Only the name is set for none.
type contender struct {
	name    string
	own     bool // porttrace: what it tells has to be all and right
	command func(output string) *exec.Cmd
	// ready returns when the tracer sees everything, idle when it has caught up with
	// what happened so far.
	ready, idle func(*tracer) error
	account     func(output *os.File, said []string, storm outcome) (account, error)
	// sightings reads what it told of the arena's processes.
	sightings func(output io.Reader, g ground, tell seen) error
}

// account is what a tracer has to show for a storm.
type account struct {
	lost      uint64 // as it says itself
	hidden    uint64 // more that the kernel hid from it, as some do while certain tasks run
	recorded  uint64 // uses of a port by the storm's clients
	expected  uint64 // those it could have seen
	perRecord uint64 // bytes
	notes     []string
}

// tracer is a contender at work.
type tracer struct {
	contender
	cmd     *exec.Cmd
	output  string
	release func() bool
	began   time.Duration // CPU time when it was ready
	peak    uint64        // largest resident set in bytes, known after stop
	exited  chan struct{}
	err     error // of its exit; to be read once exited is closed

	mu   sync.Mutex
	said []string // on standard error
}

func (c contender) start(ctx context.Context, dir string) (*tracer, error) {
	fail := func(err error) (*tracer, error) { return nil, fmt.Errorf("starting %s: %w", c.name, err) }
	t := &tracer{contender: c, output: filepath.Join(dir, c.name+".out"), exited: make(chan struct{})}
	t.cmd = c.command(t.output)
	t.cmd.Dir = dir
	t.cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGINT, Setpgid: true}
	stderr, err := t.cmd.StderrPipe()
	if err != nil {
		return fail(err)
	}
	if file, ok := t.cmd.Stdout.(*os.File); ok {
		defer file.Close()
	}
	if err := t.cmd.Start(); err != nil {
		return fail(err)
	}
	t.release = context.AfterFunc(ctx, func() { t.cmd.Process.Kill() })
	go func() {
		for lines := bufio.NewScanner(stderr); lines.Scan(); {
			t.mu.Lock()
			t.said = append(t.said, lines.Text())
			t.mu.Unlock()
		}
		t.err = t.cmd.Wait()
		close(t.exited)
	}()
	if err := c.ready(t); err != nil {
		t.kill()
		return fail(err)
	}
	t.began = cpuTime(t.cmd.Process.Pid)
	return t, nil
}

// stop ends it the way a person does, with Ctrl-C, and waits for its last word.
func (t *tracer) stop() error {
	defer t.release()
	if err := t.idle(t); err != nil {
		t.kill()
		return fmt.Errorf("stopping %s: %w", t.name, err)
	}
	t.peak = peakOf(t.cmd.Process.Pid)
	t.cmd.Process.Signal(os.Interrupt) // an error means that it is gone: seen below
	if !t.exits() {
		t.kill()
		return fmt.Errorf("stopping %s: still running %s after SIGINT", t.name, 2*patience)
	}
	if t.err != nil {
		return fmt.Errorf("%s: %w: %s", t.name, t.err, t.last())
	}
	return nil
}

// exits waits for the end, and sees on the way what the last things to do take in memory.
func (t *tracer) exits() bool {
	deadline := time.After(2 * patience)
	tick := time.NewTicker(5 * time.Millisecond)
	defer tick.Stop()
	for {
		select {
		case <-t.exited:
			return true
		case <-deadline:
			return false
		case <-tick.C:
			t.peak = max(t.peak, peakOf(t.cmd.Process.Pid))
		}
	}
}

func (t *tracer) kill() {
	t.release()
	t.cmd.Process.Kill()
	<-t.exited
}

// read opens what the tracer wrote.
func (t *tracer) read(with func(*os.File) error) error {
	file, err := os.Open(t.output)
	if err != nil {
		return fmt.Errorf("reading what %s wrote: %w", t.name, err)
	}
	defer file.Close()
	return with(file)
}

// accountFor turns what the tracer wrote into an account.
func (t *tracer) accountFor(storm outcome) (a account, err error) {
	err = t.read(func(output *os.File) error {
		a, err = t.account(output, t.said, storm)
		return err
	})
	return a, err
}

// last is the last thing it said, for errors.
func (t *tracer) last() string {
	t.mu.Lock()
	defer t.mu.Unlock()
	if len(t.said) == 0 {
		return "it said nothing"
	}
	return t.said[len(t.said)-1]
}

func (t *tracer) heard(line string) bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	for _, s := range t.said {
		if strings.HasPrefix(s, line) {
			return true
		}
	}
	return false
}

// await polls until the condition holds.
func (t *tracer) await(what string, condition func() bool) error {
	deadline := time.After(patience)
	tick := time.NewTicker(10 * time.Millisecond)
	defer tick.Stop()
	for {
		if condition() {
			return nil
		}
		select {
		case <-t.exited:
			return errors.New("it ended early: " + t.last())
		case <-deadline:
			return fmt.Errorf("not %s after %s: %s", what, patience, t.last())
		case <-tick.C:
		}
	}
}

// usage is the CPU time that the whole run took before and after the storm began.
func (t *tracer) usage() (before, after time.Duration) {
	total := t.cmd.ProcessState.UserTime() + t.cmd.ProcessState.SystemTime()
	return t.began, max(0, total-t.began)
}
