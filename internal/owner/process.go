package owner

import (
	"bytes"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"unicode/utf8"

	"golang.org/x/sys/unix"

	"porttrace/internal/event"
	"porttrace/internal/lifetime"
)

// Bounds of what is kept of a process.
const (
	longestCmdline = 512
	longestExe     = 1024
	longestCgroups = 64 << 10 // of /proc/PID/cgroup: a line for each hierarchy
)

// process is one in /proc: what is read through it is of that process, however often its pid
// is given to another meanwhile (proc_pid_lookup keeps a struct pid, not a number).
type process struct{ dir int }

func openProcess(pid uint32) (process, error) {
	fd, err := unix.Open(fmt.Sprintf("/proc/%d", pid), unix.O_PATH|unix.O_DIRECTORY|unix.O_CLOEXEC, 0)
	return process{fd}, err
}

func (p process) close() { unix.Close(p.dir) }

// read returns the beginning of one of its files: with so much room, all that one call gives.
func (p process) read(name string, limit int) ([]byte, error) {
	fd, err := unix.Openat(p.dir, name, unix.O_RDONLY|unix.O_CLOEXEC, 0)
	if err != nil {
		return nil, err
	}
	defer unix.Close(fd)
	buf := make([]byte, limit)
	n, err := unix.Read(fd, buf)
	if err != nil {
		return nil, err
	}
	return buf[:n], nil
}

// is tells whether it is the process of an owner: whether it started then (see event.Owner),
// and, as far as its first thread can tell, has not called exec since.
func (p process) is(o event.Owner) bool {
	text, err := p.read("stat", 1024)
	if err != nil {
		return false
	}
	comm, started, err := parseStat(text)
	return err == nil && uint32(started) == o.Started && (o.TID != o.PID || comm == o.Comm.String())
}

var errStat = errors.New("/proc/PID/stat: want a name and a start time")

// parseStat returns the name, field 2, which stands in parentheses and may have any bytes,
// and when the process started, field 22, in clock ticks since boot (proc(5)).
func parseStat(text []byte) (comm string, started uint64, err error) {
	begin, end := bytes.IndexByte(text, '('), bytes.LastIndexByte(text, ')')
	fields := bytes.Fields(text[end+1:])
	if begin < 0 || end < begin || len(fields) < 20 {
		return "", 0, errStat
	}
	started, err = strconv.ParseUint(string(fields[19]), 10, 64)
	return string(text[begin+1 : end]), started, err
}

// realUID finds the first of the ids in the line "Uid:\t1000\t1000\t1000\t1000" of
// /proc/PID/status; that of the overflow user where there is none.
func realUID(status string) uint32 {
	for line := range strings.Lines(status) {
		if ids, ok := strings.CutPrefix(line, "Uid:"); ok {
			if fields := strings.Fields(ids); len(fields) > 0 {
				if uid, err := strconv.ParseUint(fields[0], 10, 32); err == nil {
					return uint32(uid)
				}
			}
		}
	}
	return overflowUID
}

// overflowUID is who stands for those that cannot be told (/proc/sys/kernel/overflowuid).
const overflowUID = 65534

// program is what it runs. That of a kernel thread, or of one that has ended, is unknown.
func (p process) program() lifetime.Program {
	var program lifetime.Program
	buf := make([]byte, longestExe)
	if n, err := unix.Readlinkat(p.dir, "exe", buf); err == nil && n < len(buf) {
		program.Exe = strings.TrimSuffix(string(buf[:n]), " (deleted)")
	}
	if text, err := p.read("cmdline", longestCmdline+1); err == nil {
		program.Cmdline = joinArguments(text)
	}
	return program
}

// joinArguments makes one line of a command line, whose arguments end in NULs; programs that
// change theirs pad it with more of them.
func joinArguments(text []byte) string {
	cut := len(text) > longestCmdline
	text = bytes.TrimRight(text[:min(len(text), longestCmdline)], "\x00")
	line := string(bytes.ReplaceAll(text, []byte{0}, []byte{' '}))
	if !cut {
		return line
	}
	for range utf8.UTFMax - 1 { // no part of a character
		if r, size := utf8.DecodeLastRuneInString(line); r == utf8.RuneError && size == 1 {
			line = line[:len(line)-1]
		}
	}
	return line + "…"
}

// cgroup is the path that says most of it: in the default hierarchy, or, on a host where
// that says nothing, in one of version 1.
func (p process) cgroup() string {
	text, err := p.read("cgroup", longestCgroups)
	if err != nil {
		return ""
	}
	return bestCgroup(string(text))
}

// bestCgroup chooses a line of /proc/PID/cgroup (cgroup_proc_show): "0::/path" is version 2,
// "1:name=systemd:/path" systemd's own hierarchy of version 1, and the others, as
// "4:cpu,cpuacct:/path", may be where only a container runtime goes.
func bestCgroup(text string) string {
	best, score := "", -1
	for line := range strings.Lines(text) {
		_, rest, _ := strings.Cut(strings.TrimSuffix(line, "\n"), ":")
		hierarchy, path, ok := strings.Cut(rest, ":")
		if !ok || path == "" {
			continue
		}
		path = strings.TrimSuffix(path, " (deleted)")
		n := 4 * telling(path)
		switch hierarchy {
		case "":
			n += 2
		case "name=systemd":
			n++
		}
		if n > score {
			best, score = path, n
		}
	}
	return best
}

// telling says how much a path tells.
func telling(path string) int {
	p := placeOf(path)
	switch {
	case p.Container != "":
		return 3
	case p.PodUID != "":
		return 2
	case p.Unit != "":
		return 1
	}
	return 0
}
