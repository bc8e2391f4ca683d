//go:build linux

package main

import (
	"fmt"
	"os"
	"strings"

	"golang.org/x/sys/unix"

	"porttrace/internal/ktime"
	"porttrace/internal/lifetime"
	"porttrace/internal/recording"
)

// startRecord describes this trace, the host and its network namespaces.
func (t *tracer) startRecord() (lifetime.Record, error) {
	ranges, err := t.ranges.All()
	if err != nil {
		return lifetime.Record{}, err
	}
	info := &lifetime.StartInfo{
		Schema: recording.Schema, Version: versionName(), Hooks: string(t.probe.Hooks()), Filter: t.config.FilterText,
	}
	for _, rng := range ranges {
		info.Pools = append(info.Pools, rng.Range)
	}
	if info.Host, err = os.Hostname(); err != nil {
		return lifetime.Record{}, fmt.Errorf("describing the host: %w", err)
	}
	if id, err := os.ReadFile("/proc/sys/kernel/random/boot_id"); err == nil {
		info.BootID = strings.TrimSpace(string(id))
	}
	var u unix.Utsname
	if err := unix.Uname(&u); err == nil {
		info.Kernel = unix.ByteSliceToString(u.Release[:])
	}
	info.Uptime = ktime.Now()
	return lifetime.Record{Type: lifetime.Start, Time: t.clock.Wall(info.Uptime), Start: info}, nil
}
