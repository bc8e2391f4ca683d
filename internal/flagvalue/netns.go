//go:build linux

package flagvalue

import (
	"errors"
	"fmt"
	"io/fs"
	"math"
	"os"
	"path/filepath"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"
)

// minNetns is PROC_NET_INIT_INO, the lowest inode number a network namespace can have.
const minNetns = 0xeffffff9

// Netns is a network namespace by its inode number, as in /proc/PID/ns/net. The zero
// value is none.
type Netns struct {
	inode uint32
}

// Set takes a process id, the path of a namespace file, a name as "ip netns" lists
// them, or an inode number, also as "net:[4026531833]". What exists is resolved now; an
// inode number is taken as it is, since not every namespace has a process or a name.
func (n *Netns) Set(s string) error {
	inode, err := resolveNetns(s)
	if err != nil {
		return err
	}
	if n.inode != 0 && n.inode != inode {
		return fmt.Errorf("%q: a second namespace: name only one", s)
	}
	n.inode = inode
	return nil
}

// String returns the inode number.
func (n *Netns) String() string {
	if n.inode == 0 {
		return ""
	}
	return formatID(n.inode)
}

// Type names the value in help texts.
func (*Netns) Type() string { return "PID|PATH|INODE" }

// Inode returns the inode number, 0 for none.
func (n *Netns) Inode() uint32 { return n.inode }

func resolveNetns(s string) (uint32, error) {
	number := strings.TrimSuffix(strings.TrimPrefix(s, "net:["), "]")
	switch {
	case s == "":
		return 0, errors.New("empty: want a process id, a path, an inode number or a name from ip netns")
	case strings.Trim(number, "0123456789") == "" && number != "":
		return netnsByNumber(s, number)
	case strings.Contains(s, "/"):
		return netnsByPath(s, "no such file")
	case s == "." || s == "..":
		return 0, fmt.Errorf("%q: not a network namespace", s)
	}
	return netnsByPath(filepath.Join("/run/netns", s), "no such namespace: ip netns lists the names")
}

func netnsByNumber(s, number string) (uint32, error) {
	n, err := strconv.ParseUint(number, 10, 64)
	switch {
	case err == nil && n >= minNetns && n <= math.MaxUint32:
		return uint32(n), nil
	case err == nil && 0 < n && n <= maxPID && number == s:
		return netnsByPath(fmt.Sprintf("/proc/%d/ns/net", n), fmt.Sprintf("no process has the id %d", n))
	}
	return 0, fmt.Errorf("%q is neither a process id nor the inode number of a network namespace (%d or more)",
		s, uint32(minNetns))
}

// netnsByPath says missing where there is no such file.
func netnsByPath(path, missing string) (uint32, error) {
	// Only a file known to be a namespace is opened: opening a pipe would wait.
	file, err := statNamespace(path)
	if err == nil {
		err = checkNetns(path)
	}
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return 0, fmt.Errorf("%s: %s", path, missing)
	case errors.Is(err, fs.ErrPermission):
		return 0, fmt.Errorf("%s: permission denied: run as root, or give the inode number", path)
	case err != nil:
		return 0, fmt.Errorf("%s: %w", path, err)
	}
	return uint32(file.Ino), nil
}

var errNotNetns = errors.New("not a network namespace")

func statNamespace(path string) (file unix.Stat_t, err error) {
	var self unix.Stat_t
	if err := unix.Stat("/proc/self/ns/net", &self); err != nil {
		return file, fmt.Errorf("reading /proc/self/ns/net: %s: is /proc mounted?", err)
	}
	if err := unix.Stat(path, &file); err != nil {
		return file, err
	}
	if file.Dev != self.Dev {
		return file, errNotNetns
	}
	return file, nil
}

// checkNetns tells a network namespace from those of other types, which share its device.
func checkNetns(path string) error {
	f, err := os.Open(path)
	if err != nil {
		return err
	}
	defer f.Close()
	kind, err := unix.IoctlRetInt(int(f.Fd()), unix.NS_GET_NSTYPE)
	if err != nil {
		return fmt.Errorf("asking for the type of namespace: %w", err)
	}
	if kind != unix.CLONE_NEWNET {
		return errNotNetns
	}
	return nil
}
