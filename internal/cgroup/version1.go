package cgroup

import (
	"fmt"
	"os"
	"slices"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"
)

// Version1 is a hierarchy of cgroup v1.
type Version1 struct {
	Number      uint32 // of the hierarchy, never 0, which is version 2
	Controllers string // as it is mounted: "pids", "cpu,cpuacct"
}

// FindVersion1 returns the hierarchy of version 1 that tells most of what a process runs in,
// and false where the host has none but named ones. It is the pids controller's where there is
// one: container runtimes use it, and systemd for all its units (DefaultTasksAccounting).
func FindVersion1() (Version1, bool, error) {
	text, err := os.ReadFile("/proc/self/cgroup")
	if err != nil {
		return Version1{}, false, fmt.Errorf("looking for cgroup v1: %w", err)
	}
	found, ok := chooseVersion1(string(text))
	return found, ok, nil
}

// chooseVersion1 reads a /proc/PID/cgroup (proc_cgroup_show): "4:pids:/path", with "0::/path"
// for version 2 and "1:name=systemd:/path" for a named one.
func chooseVersion1(text string) (best Version1, ok bool) {
	preferred := []string{"pids", "memory", "cpu", "devices"}
	rank := func(controllers string) int {
		for i, name := range preferred {
			if slices.Contains(strings.Split(controllers, ","), name) {
				return i
			}
		}
		return len(preferred)
	}
	for line := range strings.Lines(text) {
		number, rest, _ := strings.Cut(line, ":")
		controllers, _, _ := strings.Cut(rest, ":")
		n, err := strconv.ParseUint(number, 10, 32)
		if err != nil || n == 0 || controllers == "" || strings.HasPrefix(controllers, "name=") {
			continue
		}
		if !ok || rank(controllers) < rank(best.Controllers) {
			best, ok = Version1{uint32(n), controllers}, true
		}
	}
	return best, ok
}

// Subsystem returns what the kernel's enum cgroup_subsys_id calls one of the controllers
// (linux/cgroup_subsys.h).
func (v Version1) Subsystem() string {
	name, _, _ := strings.Cut(v.Controllers, ",")
	if name == "blkio" { // its name in version 1 alone (io_cgrp_subsys.legacy_name)
		name = "io"
	}
	return name + "_cgrp_id"
}

// OpenRoot is OpenRoot for the hierarchy.
func (v Version1) OpenRoot() (path string, done func() error, err error) {
	return v.hierarchy().pathToRoot()
}

// OpenPaths is OpenPaths for the hierarchy.
func (v Version1) OpenPaths() (*Paths, error) { return v.hierarchy().openPaths() }

func (v Version1) hierarchy() hierarchy {
	return hierarchy{"cgroup", v.Controllers, unix.CGROUP_SUPER_MAGIC}
}
