// Package netns finds network namespaces and runs code inside them.
package netns

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"runtime"
	"sort"
	"strconv"

	"golang.org/x/sys/unix"
)

// NS is one network namespace that can be entered.
type NS struct {
	Inode uint32
	path  string // of an nsfs file that leads to it
}

// Self returns the namespace of the calling process.
func Self() (NS, error) { return At("/proc/self/ns/net") }

// At returns the namespace behind an nsfs file.
func At(path string) (NS, error) {
	var st unix.Stat_t
	if err := unix.Stat(path, &st); err != nil {
		return NS{}, fmt.Errorf("looking at network namespace %s: %w", path, err)
	}
	return NS{Inode: uint32(st.Ino), path: path}, nil
}

// OfProcess returns the namespace of a process.
func OfProcess(pid uint32) (NS, error) { return At(fmt.Sprintf("/proc/%d/ns/net", pid)) }

// mounted are the folders where `ip netns`, docker and CNI keep namespaces alive
// without a process in them.
var mounted = []string{"/run/netns", "/var/run/netns", "/run/docker/netns"}

// List returns every network namespace that a process lives in or that is bind-mounted
// at a usual place, each once, by inode. One that has sockets but neither cannot be
// entered and is not in the list. It needs the privilege to look into other processes.
func List() ([]NS, error) {
	found := map[uint32]NS{}
	add := func(path string) {
		if ns, err := At(path); err == nil { // gone or forbidden: not enterable
			if _, ok := found[ns.Inode]; !ok {
				found[ns.Inode] = ns
			}
		}
	}
	add("/proc/self/ns/net")
	for _, dir := range mounted {
		entries, err := os.ReadDir(dir)
		if err != nil && !errors.Is(err, fs.ErrNotExist) {
			return nil, fmt.Errorf("listing network namespaces: %w", err)
		}
		for _, e := range entries {
			add(filepath.Join(dir, e.Name()))
		}
	}
	pids, err := processes()
	if err != nil {
		return nil, err
	}
	for _, pid := range pids {
		add("/proc/" + pid + "/ns/net")
	}
	list := make([]NS, 0, len(found))
	self, err := Self()
	if err != nil {
		return nil, err
	}
	for _, ns := range found {
		if isNetNS(ns, self) {
			list = append(list, ns)
		}
	}
	sort.Slice(list, func(i, j int) bool { return list[i].Inode < list[j].Inode })
	return list, nil
}

func processes() ([]string, error) {
	proc, err := os.Open("/proc")
	if err != nil {
		return nil, fmt.Errorf("listing network namespaces: %w", err)
	}
	defer proc.Close()
	names, err := proc.Readdirnames(-1)
	if err != nil {
		return nil, fmt.Errorf("listing network namespaces: %w", err)
	}
	pids := names[:0]
	for _, name := range names {
		if _, err := strconv.ParseUint(name, 10, 32); err == nil {
			pids = append(pids, name)
		}
	}
	return pids, nil
}

// isNetNS leaves out stray files in the folders of mounted namespaces.
func isNetNS(ns, self NS) bool {
	var a, b unix.Stat_t
	if unix.Stat(ns.path, &a) != nil || unix.Stat(self.path, &b) != nil {
		return false
	}
	return a.Dev == b.Dev
}

// Do runs f inside the namespace, on a thread of its own. Goroutines that f starts do
// not follow. An error of f is returned as it is.
func (n NS) Do(f func() error) error {
	target, err := os.Open(n.path)
	if err != nil {
		return fmt.Errorf("entering network namespace %d: %w", n.Inode, err)
	}
	defer target.Close()
	done := make(chan error)
	go func() { done <- inside(int(target.Fd()), n.Inode, f) }()
	return <-done
}

func inside(target int, inode uint32, f func() error) error {
	runtime.LockOSThread()
	home, err := os.Open("/proc/thread-self/ns/net")
	if err != nil {
		runtime.UnlockOSThread()
		return fmt.Errorf("entering network namespace %d: %w", inode, err)
	}
	defer home.Close()
	if err := unix.Setns(target, unix.CLONE_NEWNET); err != nil {
		runtime.UnlockOSThread()
		return fmt.Errorf("entering network namespace %d: %w", inode, err)
	}
	defer func() {
		// A thread that cannot go home stays locked and dies with this goroutine.
		if unix.Setns(int(home.Fd()), unix.CLONE_NEWNET) == nil {
			runtime.UnlockOSThread()
		}
	}()
	var st unix.Stat_t
	if err := unix.Stat("/proc/thread-self/ns/net", &st); err != nil || uint32(st.Ino) != inode {
		return fmt.Errorf("entering network namespace %d: it was replaced meanwhile", inode)
	}
	return f()
}
