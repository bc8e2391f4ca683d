package main

import (
	"fmt"
	"os"
	"os/exec"
	"syscall"

	"golang.org/x/sys/unix"
)

// withTracefs returns the command for a program that needs tracefs. Where it is not
// mounted, this program mounts it for that one alone and becomes it.
func withTracefs(path string, args ...string) *exec.Cmd {
	for _, dir := range []string{tracefs, "/sys/kernel/debug/tracing"} {
		if _, err := os.Stat(dir + "/events"); err == nil {
			return exec.Command(path, args...)
		}
	}
	return exec.Command("/proc/self/exe", append([]string{"-role", "tracefs", path}, args...)...)
}

const tracefs = "/sys/kernel/tracing"

func runTracefs(command []string) error {
	fail := func(err error) error { return fmt.Errorf("mounting tracefs: %w", err) }
	// The mount stays with this thread, which turns into the whole process.
	if err := unix.Unshare(unix.CLONE_NEWNS); err != nil {
		return fail(err)
	}
	if err := unix.Mount("", "/", "", unix.MS_REC|unix.MS_PRIVATE, ""); err != nil {
		return fail(err)
	}
	if err := unix.Mount("tracefs", tracefs, "tracefs", 0, ""); err != nil {
		return fail(err)
	}
	return fmt.Errorf("starting %s: %w", command[0], syscall.Exec(command[0], command, os.Environ()))
}
