//go:build linux

package main

import (
	"context"
	"io"
	"os"
	"os/signal"
	"syscall"
	"time"

	"golang.org/x/term"
)

// env is the only door to the outside, so that a command runs in-process in tests.
type env struct {
	args           []string // without the program's name
	stdin          io.Reader
	stdout, stderr io.Writer
	getenv         func(string) string
	now            func() time.Time
	euid           func() int
	// terminal returns the width of standard output in columns; ok is false where it
	// is no terminal.
	terminal func() (width int, ok bool)
	// watched says whether standard error is a terminal.
	watched func() bool
	// notify has SIGHUP and the signals that ask for the end sent to the channel until
	// stop is called, and meanwhile lets writes to a closed pipe fail instead of killing.
	notify func(chan<- os.Signal) (stop func())
	// hungUp tells of a SIGHUP whether it means that the terminal is gone, and not that
	// somebody like logrotate wants a new recording.
	hungUp func() bool
}

func hostEnv() *env {
	return &env{
		args:     os.Args[1:],
		stdin:    os.Stdin,
		stdout:   os.Stdout,
		stderr:   os.Stderr,
		getenv:   os.Getenv,
		now:      time.Now,
		euid:     os.Geteuid,
		terminal: stdoutTerminal,
		watched:  func() bool { return term.IsTerminal(int(os.Stderr.Fd())) },
		notify:   notifyOfSignals,
		hungUp:   terminalWatch(),
	}
}

// terminalWatch returns whether the terminal that controls us now is gone later. Under
// nohup it may go.
func terminalWatch() (gone func() bool) {
	if signal.Ignored(syscall.SIGHUP) || !hasTerminal() {
		return func() bool { return false }
	}
	return func() bool { return !hasTerminal() }
}

func hasTerminal() bool {
	tty, err := os.Open("/dev/tty") // ENXIO without one, EIO after it hung up
	if err == nil {
		tty.Close()
	}
	return err == nil
}

func notifyOfSignals(c chan<- os.Signal) (stop func()) {
	signal.Notify(c, syscall.SIGINT, syscall.SIGTERM, syscall.SIGHUP)
	signal.Ignore(syscall.SIGPIPE)
	return func() {
		signal.Stop(c)
		signal.Reset(syscall.SIGPIPE)
	}
}

func stdoutTerminal() (width int, ok bool) {
	fd := int(os.Stdout.Fd())
	if !term.IsTerminal(fd) {
		return 0, false
	}
	width, _, err := term.GetSize(fd)
	if err != nil || width <= 0 {
		width = 80
	}
	return width, true
}

// sameSignal is how close two signals are to be one: timeout(1) signals its child, and
// then the group that the child is in.
const sameSignal = 200 * time.Millisecond

// interruptible runs do with a context that ends at the first signal of notify. At a
// second one it returns a secondSignal at once, with do still running: the program is
// to exit. A SIGHUP while the terminal is there ends nothing: it goes to renew.
func (e *env) interruptible(do func(ctx context.Context, renew <-chan struct{}) error) error {
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	signals := make(chan os.Signal, 4)
	defer e.notify(signals)()

	renew := make(chan struct{}, 1)
	done := make(chan error, 1)
	go func() { done <- do(ctx, renew) }()

	var first time.Time
	for {
		select {
		case err := <-done:
			return err
		case sig := <-signals:
			switch {
			case sig == syscall.SIGHUP && !e.hungUp():
				select {
				case renew <- struct{}{}:
				default: // it is asked for already
				}
			case first.IsZero():
				first = e.now()
				cancel()
			case e.now().Sub(first) >= sameSignal:
				return secondSignal{sig}
			}
		}
	}
}
