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
	// notify has the signals that ask for the end sent to the channel until stop is
	// called, and meanwhile lets writes to a closed pipe fail instead of killing.
	notify func(chan<- os.Signal) (stop func())
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
		notify:   notifyOfEnd,
	}
}

func notifyOfEnd(c chan<- os.Signal) (stop func()) {
	ends := []os.Signal{syscall.SIGINT, syscall.SIGTERM}
	if !signal.Ignored(syscall.SIGHUP) { // as under nohup
		ends = append(ends, syscall.SIGHUP)
	}
	signal.Notify(c, ends...)
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
// to exit.
func (e *env) interruptible(do func(context.Context) error) error {
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	signals := make(chan os.Signal, 1)
	defer e.notify(signals)()

	done := make(chan error, 1)
	go func() { done <- do(ctx) }()

	var first time.Time
	for {
		select {
		case err := <-done:
			return err
		case sig := <-signals:
			if first.IsZero() {
				first = e.now()
				cancel()
			} else if e.now().Sub(first) >= sameSignal {
				return secondSignal{sig}
			}
		}
	}
}
