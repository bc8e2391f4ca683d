package main

import (
	"errors"
	"fmt"
	"os"

	"golang.org/x/sys/unix"
)

// mounts are what a distribution's init would have mounted, in this order.
var mounts = []struct {
	kind, at string
	optional bool // not in every kernel
}{
	{kind: "proc", at: "/proc"},
	{kind: "sysfs", at: "/sys"},
	{kind: "devtmpfs", at: "/dev"},
	{kind: "tmpfs", at: "/tmp"},
	{kind: "tmpfs", at: "/run"},
	{kind: "bpf", at: "/sys/fs/bpf"},
	{kind: "tracefs", at: "/sys/kernel/tracing"},
	{kind: "cgroup2", at: "/sys/fs/cgroup"},
	{kind: "securityfs", at: "/sys/kernel/security", optional: true},
}

func mountAll() error {
	for _, m := range mounts {
		if err := os.MkdirAll(m.at, 0o755); err != nil && !m.optional {
			return fmt.Errorf("mounting %s: %w", m.kind, err)
		}
		err := unix.Mount(m.kind, m.at, m.kind, 0, "")
		if err != nil && !(m.kind == "devtmpfs" && errors.Is(err, unix.EBUSY)) && !m.optional {
			return fmt.Errorf("mounting %s on %s: %w", m.kind, m.at, err)
		}
	}
	return nil
}
