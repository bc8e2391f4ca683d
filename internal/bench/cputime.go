package main

import (
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"
)

// userHZ is fixed on every architecture that Go runs on.
const userHZ = 100

// cpuTime is what a live process has used so far, user and system; 0 for one that is
// gone.
func cpuTime(pid int) time.Duration {
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	if err != nil {
		return 0
	}
	return parseStat(string(text))
}

func parseStat(text string) time.Duration {
	// The name, in parentheses, may contain anything.
	_, rest, _ := strings.Cut(text[strings.LastIndexByte(text, ')')+1:], " ")
	fields := strings.Fields(rest)
	const utime, stime = 11, 12 // counted from the state, field 3 of proc_pid_stat(5)
	if len(fields) <= stime {
		return 0
	}
	u, _ := strconv.ParseInt(fields[utime], 10, 64)
	s, _ := strconv.ParseInt(fields[stime], 10, 64)
	return time.Duration(u+s) * time.Second / userHZ
}

// hostBusy is the time that the host's CPUs were not idle, steal included; 0 if the
// kernel does not tell.
func hostBusy() time.Duration {
	text, err := os.ReadFile("/proc/stat")
	if err != nil {
		return 0
	}
	return parseBusy(string(text))
}

func parseBusy(text string) time.Duration {
	first, _, _ := strings.Cut(text, "\n")
	const idle, iowait, steal = 4, 5, 8 // guest time, which follows, is in user time already
	var ticks int64
	for i, field := range strings.Fields(first) {
		if n, err := strconv.ParseInt(field, 10, 64); err == nil && i != idle && i != iowait && i <= steal {
			ticks += n
		}
	}
	return time.Duration(ticks) * time.Second / userHZ
}

// quiet returns a condition: the process used no CPU time for a while.
func quiet(pid int) func() bool {
	const while = 300 * time.Millisecond
	last, since := cpuTime(pid), time.Now()
	return func() bool {
		if now := cpuTime(pid); now != last {
			last, since = now, time.Now()
		}
		return time.Since(since) >= while
	}
}

// polls tells whether the process has an epoll descriptor.
func polls(pid int) bool {
	fds, _ := filepath.Glob(fmt.Sprintf("/proc/%d/fd/*", pid))
	for _, fd := range fds {
		if to, err := os.Readlink(fd); err == nil && to == "anon_inode:[eventpoll]" {
			return true
		}
	}
	return false
}
