// Package cgroup finds the roots of cgroup hierarchies, and paths in them.
package cgroup

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"

	"golang.org/x/sys/unix"

	"porttrace/internal/thread"
)

// ErrNotMounted says that no mount of the whole cgroup v2 hierarchy is in sight.
var ErrNotMounted = errors.New("the cgroup v2 hierarchy is not mounted")

// hierarchy is one that can be mounted.
type hierarchy struct {
	fsType, options string
	magic           int64 // of its file system
}

var version2 = hierarchy{"cgroup2", "", unix.CGROUP2_SUPER_MAGIC}

// name is for people.
func (h hierarchy) name() string {
	if h == version2 {
		return "cgroup v2"
	}
	return "cgroup v1 (" + h.options + ")"
}

// rootID is the id of the hierarchy's root, the first node that kernfs numbers
// (kernfs_create_root). Mountinfo cannot tell the root apart: in a cgroup namespace it
// calls the namespace's own cgroup "/" (cgroup_show_path).
const rootID = 1

// Mounted returns where the root of the cgroup v2 hierarchy is mounted, or
// ErrNotMounted.
func Mounted() (string, error) {
	places, err := version2.mountPoints()
	if err != nil {
		return "", err
	}
	for _, place := range places {
		if dir, ok := version2.openMount(place); ok {
			defer dir.Close()
			if isRoot(dir) {
				return place, nil
			}
		}
	}
	return "", ErrNotMounted
}

// mountPoints returns where the hierarchy is mounted, be it as a whole or a part, and also
// where another mount covers it.
func (h hierarchy) mountPoints() ([]string, error) {
	f, err := os.Open("/proc/thread-self/mountinfo")
	if err != nil {
		return nil, fmt.Errorf("looking for %s: %w", h.name(), err)
	}
	defer f.Close()
	return h.findMounts(f)
}

// longestLine is enough for an overlay of many layers.
const longestLine = 1 << 20

func (h hierarchy) findMounts(mountinfo io.Reader) (places []string, err error) {
	lines := bufio.NewScanner(mountinfo)
	lines.Buffer(nil, longestLine)
	for lines.Scan() {
		// 31 23 0:27 / /sys/fs/cgroup rw,... - cgroup2 cgroup2 rw  (proc(5))
		// 33 24 0:29 / /sys/fs/cgroup/pids rw,... - cgroup cgroup rw,pids
		mount, super, ok := strings.Cut(lines.Text(), " - ")
		fields, supers := strings.Fields(mount), strings.Fields(super)
		if ok && len(fields) >= 5 && len(supers) > 1 && supers[0] == h.fsType && h.isOf(supers[len(supers)-1]) {
			places = append(places, unescapeMount(fields[4]))
		}
	}
	if err := lines.Err(); err != nil {
		return nil, fmt.Errorf("looking for %s: %w", h.name(), err)
	}
	return places, nil
}

// isOf says whether a file system with these options is the hierarchy's.
func (h hierarchy) isOf(options string) bool {
	return h.options == "" || strings.Contains(","+options+",", ","+h.options+",")
}

// unescapeMount undoes the kernel's octal escapes of blanks in mount points.
func unescapeMount(s string) string {
	return strings.NewReplacer(`\040`, " ", `\011`, "\t", `\012`, "\n", `\134`, `\`).Replace(s)
}

// openMount opens a cgroup directory; false if there is none at that place.
func (h hierarchy) openMount(place string) (*os.File, bool) {
	fd, err := unix.Open(place, unix.O_RDONLY|unix.O_DIRECTORY|unix.O_CLOEXEC, 0)
	if err != nil {
		return nil, false
	}
	var fs unix.Statfs_t
	if err := unix.Fstatfs(fd, &fs); err != nil || fs.Type != h.magic {
		unix.Close(fd)
		return nil, false
	}
	return os.NewFile(uintptr(fd), place), true
}

func isRoot(dir *os.File) bool {
	var st unix.Stat_t
	return unix.Fstat(int(dir.Fd()), &st) == nil && st.Ino == rootID
}

// OpenRoot returns a path to the root of the cgroup v2 hierarchy, which leads there
// until done is called. Where it is not mounted, or only the part of a cgroup namespace
// is, this is a mount of our own that nobody else sees and that goes with the process.
func OpenRoot() (path string, done func() error, err error) { return version2.pathToRoot() }

func (h hierarchy) pathToRoot() (path string, done func() error, err error) {
	root, err := h.openRoot()
	if err != nil {
		return "", nil, err
	}
	return selfPath(root), root.Close, nil
}

func selfPath(f *os.File) string { return fmt.Sprintf("/proc/thread-self/fd/%d", f.Fd()) }

func (h hierarchy) openRoot() (*os.File, error) {
	places, err := h.mountPoints()
	if err != nil {
		return nil, err
	}
	var part *os.File
	for _, place := range places {
		dir, ok := h.openMount(place)
		if ok && isRoot(dir) {
			return dir, nil
		}
		if ok {
			part = dir
			defer dir.Close()
		}
	}
	if part != nil {
		return h.openWhole(part)
	}
	var root *os.File
	thread.Spend(func() { root, err = h.mountPrivately() })
	return root, err
}

// mountPrivately mounts the hierarchy in namespaces that go with the calling thread. In
// the first cgroup namespace a mount would set the options of the whole host anew
// (apply_cgroup_root_flags), and turn off the nsdelegate of a mount that we do not see.
func (h hierarchy) mountPrivately() (*os.File, error) {
	const place = "/proc" // is a mount wherever porttrace runs, so it can be made private
	err := unix.Unshare(unix.CLONE_NEWNS | unix.CLONE_NEWCGROUP)
	if err == nil {
		err = unix.Mount("", place, "", unix.MS_PRIVATE, "")
	}
	if err == nil {
		err = unix.Mount(h.fsType, place, h.fsType, 0, h.options)
	}
	if err != nil {
		return nil, fmt.Errorf("mounting %s privately: %w", h.name(), err)
	}
	part, ok := h.openMount(place)
	if !ok {
		return nil, fmt.Errorf("mounting %s privately: it is not at %s", h.name(), place)
	}
	defer part.Close()
	return h.openWhole(part)
}

// openWhole goes from what is mounted of the hierarchy in the thread's mount namespace
// to the root: by its handle, which needs CAP_DAC_READ_SEARCH, then by a private mount of
// it, in which every cgroup has its whole path.
func (h hierarchy) openWhole(part *os.File) (*os.File, error) {
	root, err := unix.OpenByHandleAt(int(part.Fd()), handle(rootID), unix.O_PATH|unix.O_CLOEXEC)
	if err != nil {
		return nil, fmt.Errorf("only a part of the %s hierarchy is mounted, and the rest is refused (%w): run it in the host's cgroup namespace (docker run --cgroupns host)", h.name(), err)
	}
	defer unix.Close(root)
	mount, err := unix.OpenTree(root, "", unix.OPEN_TREE_CLONE|unix.OPEN_TREE_CLOEXEC|unix.AT_EMPTY_PATH)
	if err != nil {
		return nil, fmt.Errorf("mounting %s privately: %w", h.name(), err)
	}
	defer unix.Close(mount)
	// open_by_handle_at() does not take the O_PATH descriptor that a mount is made as
	fd, err := unix.Openat(mount, ".", unix.O_RDONLY|unix.O_DIRECTORY|unix.O_CLOEXEC, 0)
	if err != nil {
		return nil, fmt.Errorf("opening the %s hierarchy: %w", h.name(), err)
	}
	return os.NewFile(uintptr(fd), h.fsType), nil
}
