package main

import (
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
)

// memory is what a tracer takes at one instant, in bytes.
type memory struct {
	resident uint64 // of the process
	maps     uint64 // of its BPF maps, as the kernel accounts for them
	slab     uint64 // in use of the kernel's kmalloc caches, whoever asked for it
}

// memoryOf looks at a live process; 0 is for none: only the host counts then.
func memoryOf(pid int) (memory, error) {
	var m memory
	text, err := os.ReadFile("/proc/slabinfo")
	if err != nil {
		return m, fmt.Errorf("reading the kernel's memory: %w", err)
	}
	m.slab = slabInUse(string(text))
	if pid == 0 {
		return m, nil
	}
	if text, err = os.ReadFile(fmt.Sprintf("/proc/%d/status", pid)); err != nil {
		return m, fmt.Errorf("reading the tracer's memory: %w", err)
	}
	m.resident = kilobytes(string(text), "VmRSS")
	m.maps, err = mapsOf(pid)
	return m, err
}

// peakOf is the largest resident set of a live process since it became the program it
// is; 0 for one that is gone. What wait4 tells of a dead one is no substitute: that
// covers the fork before the exec too, and so the size of whoever started it.
func peakOf(pid int) uint64 {
	text, _ := os.ReadFile(fmt.Sprintf("/proc/%d/status", pid))
	return kilobytes(string(text), "VmHWM")
}

// mapsOf sums up the memory of the BPF maps that a process holds descriptors of.
// Kernels before 6.4 tell what a full map would take.
func mapsOf(pid int) (uint64, error) {
	infos, err := filepath.Glob(fmt.Sprintf("/proc/%d/fdinfo/*", pid))
	if err != nil {
		return 0, fmt.Errorf("listing descriptors: %w", err)
	}
	var sum uint64
	seen := map[string]bool{}
	for _, path := range infos {
		text, _ := os.ReadFile(path) // one that was closed meanwhile reads as nothing
		id, bytes, ok := mapInfo(string(text))
		if ok && !seen[id] {
			seen[id] = true
			sum += bytes
		}
	}
	return sum, nil
}

// mapInfo reads what fdinfo tells of a BPF map; ok is false for other descriptors, those
// of BPF programs included, which have a memlock of their own.
func mapInfo(text string) (id string, bytes uint64, ok bool) {
	if id, ok = field(text, "map_id"); !ok {
		return "", 0, false
	}
	memlock, _ := field(text, "memlock")
	bytes, err := strconv.ParseUint(memlock, 10, 64)
	return id, bytes, err == nil
}

// slabInUse sums up the objects of the kmalloc caches, where entries of BPF maps come
// from, at the sizes that they take there. The pages of these caches would tell less: an
// entry that is freed leaves a gap between objects of others, and the page stays.
func slabInUse(slabinfo string) (bytes uint64) {
	for line := range strings.Lines(slabinfo) {
		const active, size = 1, 3 // name active_objs num_objs objsize ...
		f := strings.Fields(line)
		if len(f) <= size || !strings.HasPrefix(f[0], "kmalloc-") {
			continue
		}
		n, _ := strconv.ParseUint(f[active], 10, 64)
		each, _ := strconv.ParseUint(f[size], 10, 64) // 0 if it is no number
		bytes += n * each
	}
	return bytes
}

// kilobytes finds "name:  12 kB" and returns bytes; 0 if it is not there.
func kilobytes(text, name string) uint64 {
	value, _ := field(text, name)
	n, _ := strconv.ParseUint(strings.TrimSuffix(value, " kB"), 10, 64) // 0 if it is no number
	return n * 1024
}

// field finds "name: value" in the lines of a file under /proc.
func field(text, name string) (value string, ok bool) {
	for line := range strings.Lines(text) {
		if key, value, ok := strings.Cut(line, ":"); ok && key == name {
			return strings.TrimSpace(value), true
		}
	}
	return "", false
}

// loadAverage is that of the last minute, to be said with any figure that takes time.
func loadAverage() string {
	text, err := os.ReadFile("/proc/loadavg")
	if err != nil {
		return "unknown"
	}
	first, _, _ := strings.Cut(string(text), " ")
	return first
}
