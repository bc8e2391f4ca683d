package main

import (
	"errors"
	"fmt"
	"os"
	"regexp"
	"strings"

	"golang.org/x/sys/unix"
)

// ownConsole keeps the kernel from writing between the tests' lines, and the console
// from changing them. A panic is still written: the kernel raises its own voice then.
func ownConsole() error {
	if err := os.WriteFile("/proc/sys/kernel/printk", []byte("1"), 0); err != nil {
		return fmt.Errorf("taking the console: %w", err)
	}
	fd := int(os.Stdout.Fd())
	tty, err := unix.IoctlGetTermios(fd, unix.TCGETS)
	if err != nil {
		return fmt.Errorf("taking the console: %w", err)
	}
	tty.Oflag &^= unix.OPOST
	if err := unix.IoctlSetTermios(fd, unix.TCSETS, tty); err != nil {
		return fmt.Errorf("taking the console: %w", err)
	}
	return nil
}

// log reads the kernel's log from where it was opened.
type log struct{ fd int }

func openLog() (*log, error) {
	fd, err := unix.Open("/dev/kmsg", unix.O_RDONLY|unix.O_NONBLOCK|unix.O_CLOEXEC, 0)
	if err != nil {
		return nil, fmt.Errorf("opening the kernel's log: %w", err)
	}
	if _, err := unix.Seek(fd, 0, unix.SEEK_END); err != nil {
		return nil, fmt.Errorf("opening the kernel's log: %w", err)
	}
	return &log{fd}, nil
}

// alarming is what a kernel says only when something is wrong with it.
var alarming = regexp.MustCompile(`^(BUG|WARNING|Oops|INFO: rcu|INFO: task|general protection|kernel BUG|possible recursive)|use-after-free|soft lockup|refcount_t:`)

// troubles returns the kernel's alarms since the last call.
func (l *log) troubles() []string {
	var found []string
	buf := make([]byte, 8192)
	for {
		n, err := unix.Read(l.fd, buf)
		switch {
		case errors.Is(err, unix.EPIPE): // overwritten before we came: go on with what is there
			continue
		case err != nil:
			return found
		}
		// "6,1234,5678,-;text\n KEY=value\n" (Documentation/ABI/testing/dev-kmsg)
		_, text, _ := strings.Cut(string(buf[:n]), ";")
		text, _, _ = strings.Cut(text, "\n")
		if alarming.MatchString(text) {
			found = append(found, text)
		}
	}
}
