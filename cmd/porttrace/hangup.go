//go:build linux

package main

import (
	"errors"
	"fmt"
	"os"

	"golang.org/x/sys/unix"

	"porttrace/internal/lifetime"
	"porttrace/internal/pipeline"
)

var _ pipeline.Sink = hangup{}

// hangup is a sink that fails once the terminal is gone. The signal that says so asks for a
// new recording here, and a quiet trace writes no row that would fail.
type hangup struct{ terminal *os.File }

// Write does nothing.
func (hangup) Write(*lifetime.Record) error { return nil }

// Flush looks.
func (h hangup) Flush() error {
	fds := []unix.PollFd{{Fd: int32(h.terminal.Fd())}}
	if _, err := unix.Poll(fds, 0); err != nil && !errors.Is(err, unix.EINTR) {
		return fmt.Errorf("looking after the terminal: %w", err)
	}
	if fds[0].Revents&unix.POLLHUP != 0 {
		return errors.New("writing to standard output: the terminal is gone")
	}
	return nil
}
