package owner

import (
	"fmt"
	"os"
	"strings"

	"porttrace/internal/lifetime"
)

// OfProcess returns what /proc says of a process that has a socket now: its name and its
// cgroup, as the reader's own cgroup namespace shows it. What cannot be read is unknown.
func OfProcess(pid uint32) lifetime.Owner {
	o := lifetime.Owner{PID: pid}
	if comm, err := os.ReadFile(fmt.Sprintf("/proc/%d/comm", pid)); err == nil {
		o.Comm = strings.TrimSuffix(string(comm), "\n")
	}
	if text, err := os.ReadFile(fmt.Sprintf("/proc/%d/cgroup", pid)); err == nil {
		path := unified(string(text))
		o.Place = lifetime.Intern(placeOf(path))
	}
	return o
}

// unified finds the path in the default hierarchy: the line "0::/path", which may end in
// " (deleted)" (cgroup(7)).
func unified(text string) string {
	for line := range strings.Lines(text) {
		if path, ok := strings.CutPrefix(strings.TrimSuffix(line, "\n"), "0::"); ok {
			return strings.TrimSuffix(path, " (deleted)")
		}
	}
	return ""
}
