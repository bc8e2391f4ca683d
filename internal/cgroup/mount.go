// Package cgroup finds the root of the cgroup v2 hierarchy, and paths in it.
package cgroup

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"

	"golang.org/x/sys/unix"
)

// ErrNotMounted says that no mount of the cgroup v2 hierarchy is in sight.
var ErrNotMounted = errors.New("the cgroup v2 hierarchy is not mounted")

// Mounted returns where the root of the cgroup v2 hierarchy is mounted, or
// ErrNotMounted.
func Mounted() (string, error) {
	f, err := os.Open("/proc/self/mountinfo")
	if err != nil {
		return "", fmt.Errorf("looking for cgroup v2: %w", err)
	}
	defer f.Close()
	return findMount(f)
}

// longestLine is enough for an overlay of many layers.
const longestLine = 1 << 20

func findMount(mountinfo io.Reader) (string, error) {
	lines := bufio.NewScanner(mountinfo)
	lines.Buffer(nil, longestLine)
	for lines.Scan() {
		// 31 23 0:27 / /sys/fs/cgroup rw,... - cgroup2 cgroup2 rw  (proc(5))
		mount, super, ok := strings.Cut(lines.Text(), " - ")
		fields := strings.Fields(mount)
		if ok && len(fields) >= 5 && fields[3] == "/" && strings.HasPrefix(super, "cgroup2 ") {
			return unescapeMount(fields[4]), nil
		}
	}
	if err := lines.Err(); err != nil {
		return "", fmt.Errorf("looking for cgroup v2: %w", err)
	}
	return "", ErrNotMounted
}

// unescapeMount undoes the kernel's octal escapes of blanks in mount points.
func unescapeMount(s string) string {
	return strings.NewReplacer(`\040`, " ", `\011`, "\t", `\012`, "\n", `\134`, `\`).Replace(s)
}

// OpenRoot returns a path to the root of the cgroup v2 hierarchy: the mounted one,
// or a mount of our own that nobody else sees and that goes with the returned close.
func OpenRoot() (path string, done func() error, err error) {
	path, err = Mounted()
	if err == nil {
		return path, func() error { return nil }, nil
	}
	if !errors.Is(err, ErrNotMounted) {
		return "", nil, err
	}
	fs, err := unix.Fsopen("cgroup2", unix.FSOPEN_CLOEXEC)
	if err != nil {
		return "", nil, fmt.Errorf("mounting cgroup v2 privately: %w", err)
	}
	defer unix.Close(fs)
	if err := unix.FsconfigCreate(fs); err != nil {
		return "", nil, fmt.Errorf("mounting cgroup v2 privately: %w", err)
	}
	mount, err := unix.Fsmount(fs, unix.FSMOUNT_CLOEXEC, 0)
	if err != nil {
		return "", nil, fmt.Errorf("mounting cgroup v2 privately: %w", err)
	}
	return fmt.Sprintf("/proc/self/fd/%d", mount), func() error { return unix.Close(mount) }, nil
}
