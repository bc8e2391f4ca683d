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
	ns, _, err := at(path)
	return ns, err
}

// at also returns the device, which is the same for all that are namespaces.
func at(path string) (NS, uint64, error) {
	var st unix.Stat_t
	if err := unix.Stat(path, &st); err != nil {
		return NS{}, 0, fmt.Errorf("looking at network namespace %s: %w", path, err)
	}
	return NS{Inode: uint32(st.Ino), path: path}, st.Dev, nil
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
	self, nsfs, err := at("/proc/self/ns/net")
	if err != nil {
		return nil, err
	}
	found := map[uint32]NS{self.Inode: self}
	add := func(path string) {
		ns, dev, err := at(path)
		if err != nil || dev != nsfs { // gone, forbidden, or a stray file
			return
		}
		if _, ok := found[ns.Inode]; !ok {
			found[ns.Inode] = ns
		}
	}
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
	for _, ns := range found {
		list = append(list, ns)
	}
	sort.Slice(list, func(i, j int) bool { return list[i].Inode < list[j].Inode })
	return list, nil
}

// Find returns the namespace with an inode number. pid is a process that is likely to
// live in it, 0 if none is known; asking it first spares a walk through all processes.
func Find(inode, pid uint32) (NS, bool) {
	if ns, err := OfProcess(pid); err == nil && ns.Inode == inode {
		return ns, true
	}
	all, err := List()
	if err != nil {
		return NS{}, false
	}
	for _, ns := range all {
		if ns.Inode == inode {
			return ns, true
		}
	}
	return NS{}, false
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

var (
	// ErrGone says that a namespace cannot be reached any more the way it was found.
	ErrGone = errors.New("it is gone")
	// ErrBarred says that we may not enter it.
	ErrBarred = errors.New("without CAP_SYS_ADMIN only our own is open to us")
)

// IsOutOfReach says whether an error of Do is of the way into the namespace.
func IsOutOfReach(err error) bool { return errors.Is(err, ErrGone) || errors.Is(err, ErrBarred) }

// otherWays is how many other ways into a namespace are tried once the one it was found by
// is gone: each was the first that a walk found, and may have been a short-lived process.
const otherWays = 5

// Do runs f inside the namespace, on a thread of its own. Goroutines that f starts do
// not follow. An error of f is returned as it is. It needs CAP_SYS_ADMIN, but for the
// namespace of the process itself.
func (n NS) Do(f func() error) error {
	err := n.enter(f)
	for range otherWays {
		if !errors.Is(err, ErrGone) {
			break
		}
		other, ok := Find(n.Inode, 0)
		if !ok {
			break
		}
		err = other.enter(f)
	}
	return err
}

func (n NS) enter(f func() error) error {
	target, err := os.Open(n.path)
	// a process that is about to go refuses (proc_ns_get_link)
	if errors.Is(err, fs.ErrNotExist) || errors.Is(err, fs.ErrPermission) {
		return fmt.Errorf("entering network namespace %d: %w (%w)", n.Inode, ErrGone, err)
	}
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
	if unix.Gettid() == unix.Getpid() {
		// In /proc the first thread stands for the process. While it is locked here,
		// another goroutine gets another thread.
		done := make(chan error)
		go func() { done <- inside(target, inode, f) }()
		err := <-done
		runtime.UnlockOSThread()
		return err
	}
	home, err := os.Open("/proc/thread-self/ns/net")
	if err != nil {
		runtime.UnlockOSThread()
		return fmt.Errorf("entering network namespace %d: %w", inode, err)
	}
	defer home.Close()
	if isSame(int(home.Fd()), target, inode) { // setns would want privileges
		defer runtime.UnlockOSThread()
		return f()
	}
	if err := unix.Setns(target, unix.CLONE_NEWNET); err != nil {
		runtime.UnlockOSThread()
		if errors.Is(err, unix.EINVAL) { // the file that a name was mounted on
			return fmt.Errorf("entering network namespace %d: %w (%w)", inode, ErrGone, err)
		}
		if errors.Is(err, unix.EPERM) {
			return fmt.Errorf("entering network namespace %d: %w (%w)", inode, ErrBarred, err)
		}
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
		return fmt.Errorf("entering network namespace %d: %w (its place was taken by another)", inode, ErrGone)
	}
	return f()
}

// isSame says whether two files are of one namespace, that with the inode number.
func isSame(a, b int, inode uint32) bool {
	var x, y unix.Stat_t
	return unix.Fstat(a, &x) == nil && unix.Fstat(b, &y) == nil &&
		x.Dev == y.Dev && x.Ino == y.Ino && uint32(x.Ino) == inode
}
