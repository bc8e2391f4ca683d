package testutil

import (
	"fmt"
	"os"
	"runtime"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// NetNS is a private network namespace with its loopback up, alive until the test
// ends or Destroy. A thread of its own lives in it.
type NetNS struct {
	Inode uint32
	Born  time.Time // the inode number may have been another's before
	work  chan func()
	done  chan struct{}
}

// NewNetNS makes a namespace. It needs root.
func NewNetNS(t testing.TB) *NetNS {
	t.Helper()
	ns := &NetNS{Born: time.Now(), work: make(chan func()), done: make(chan struct{})}
	ready := make(chan error)
	go ns.live(ready)
	if err := <-ready; err != nil {
		t.Fatalf("making a network namespace: %v", err)
	}
	t.Cleanup(ns.Destroy)
	return ns
}

// live runs work on a thread inside the namespace; the thread is never unlocked, so it
// dies with this goroutine and the namespace with it.
func (n *NetNS) live(ready chan<- error) {
	runtime.LockOSThread()
	if unix.Gettid() == unix.Getpid() {
		// In /proc the first thread stands for the process. While it is locked here,
		// another goroutine gets another thread.
		go n.live(ready)
		<-n.done
		runtime.UnlockOSThread()
		return
	}
	defer close(n.done)
	if err := unix.Unshare(unix.CLONE_NEWNET); err != nil {
		ready <- err
		return
	}
	var st unix.Stat_t
	if err := unix.Stat("/proc/thread-self/ns/net", &st); err != nil {
		ready <- err
		return
	}
	n.Inode = uint32(st.Ino)
	if err := raiseLoopback(); err != nil {
		ready <- err
		return
	}
	ready <- nil
	for f := range n.work {
		f()
	}
}

// Do runs f inside the namespace and waits for it. Goroutines that f starts do not
// follow; sockets that f makes belong to the namespace for good.
func (n *NetNS) Do(f func()) {
	finished := make(chan any)
	n.work <- func() {
		defer func() { finished <- recover() }()
		f()
	}
	if p := <-finished; p != nil {
		panic(p)
	}
}

// Destroy ends the namespace's thread. The namespace goes once no socket holds it. It
// may be called more than once.
func (n *NetNS) Destroy() {
	select {
	case <-n.done:
	default:
		close(n.work)
		<-n.done
	}
}

// Sysctl writes a value below /proc/sys/net of the namespace.
func (n *NetNS) Sysctl(t testing.TB, name, value string) {
	t.Helper()
	var err error
	n.Do(func() { err = os.WriteFile("/proc/sys/net/"+name, []byte(value), 0) })
	if err != nil {
		t.Fatalf("setting %s to %q: %v", name, value, err)
	}
}

// ReadFile reads a file as a thread of the namespace sees it.
func (n *NetNS) ReadFile(t testing.TB, path string) string {
	t.Helper()
	var data []byte
	var err error
	n.Do(func() { data, err = os.ReadFile(path) })
	if err != nil {
		t.Fatalf("reading %s: %v", path, err)
	}
	return string(data)
}

func raiseLoopback() error {
	fd, err := unix.Socket(unix.AF_INET, unix.SOCK_DGRAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return fmt.Errorf("raising lo: %w", err)
	}
	defer unix.Close(fd)
	req, err := unix.NewIfreq("lo")
	if err != nil {
		return err
	}
	req.SetUint16(unix.IFF_UP | unix.IFF_RUNNING)
	if err := unix.IoctlIfreq(fd, unix.SIOCSIFFLAGS, req); err != nil {
		return fmt.Errorf("raising lo: %w", err)
	}
	return nil
}
