package probe

import (
	"errors"
	"fmt"
	"os"
	"syscall"
	"time"

	"github.com/cilium/ebpf"
	"golang.org/x/sys/unix"
)

// waiter waits for the hooks to say that the ring fills up, in the Go runtime's own epoll.
// A wait in one of ours would be a system call that blocks, and for each of those the
// runtime's monitor wakes 50 times and more before it finds that nothing else happens:
// that was a fifth of the tracer's CPU time in a storm.
type waiter struct {
	file *os.File
	conn syscall.RawConn
}

// newWaiter returns one for a ring buffer's map, which may be closed before it.
func newWaiter(m *ebpf.Map) (*waiter, error) {
	fd, err := unix.FcntlInt(uintptr(m.FD()), unix.F_DUPFD_CLOEXEC, 0)
	if err != nil {
		return nil, err
	}
	if err := unix.SetNonblock(fd, true); err != nil { // what is nonblocking is waited for in epoll
		_ = unix.Close(fd)
		return nil, err
	}
	w := &waiter{file: os.NewFile(uintptr(fd), "ring buffer")}
	if err := w.file.SetReadDeadline(time.Time{}); err != nil { // it is not: os.ErrNoDeadline
		return nil, errors.Join(err, w.file.Close())
	}
	if w.conn, err = w.file.SyscallConn(); err != nil {
		return nil, errors.Join(err, w.file.Close())
	}
	return w, nil
}

// wait returns after d, or when the hooks wake it and it is full, whichever is sooner.
func (w *waiter) wait(d time.Duration, full func() bool) error {
	if err := w.file.SetReadDeadline(time.Now().Add(d)); err != nil {
		return fmt.Errorf("waiting for the ring buffer: %w", err)
	}
	// full is asked after epoll has forgotten what it told before: no call to wake is lost.
	err := w.conn.Read(func(uintptr) bool { return full() })
	if err != nil && !errors.Is(err, os.ErrDeadlineExceeded) {
		return fmt.Errorf("waiting for the ring buffer: %w", err)
	}
	return nil
}

func (w *waiter) close() error { return w.file.Close() }
