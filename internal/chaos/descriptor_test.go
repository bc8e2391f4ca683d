package chaos

import (
	"fmt"
	"syscall"

	"golang.org/x/sys/unix"
)

// A stash is a pair of UNIX sockets with a descriptor on its way between them.
type stash struct{ in, out int }

const maxStashes = 10

// fork is a child that inherited sockets, and ends when its standard input does.
type fork struct{ pid, input int }

const maxForks = 4

func inboxName(slot int) *unix.SockaddrUnix {
	return &unix.SockaddrUnix{Name: fmt.Sprintf("@porttrace-chaos-%d", slot)}
}

// openInbox makes the socket that others pass descriptors to. Such names are private to
// a network namespace.
func (w *worker) openInbox() error {
	fd, err := unix.Socket(unix.AF_UNIX, unix.SOCK_DGRAM|unix.SOCK_CLOEXEC|unix.SOCK_NONBLOCK, 0)
	if err != nil {
		return err
	}
	w.inbox = fd
	return unix.Bind(fd, inboxName(w.Slot))
}

func (w *worker) opDup() {
	s := w.any()
	if s == nil {
		return
	}
	if fd, err := unix.FcntlInt(uintptr(s.fd), unix.F_DUPFD_CLOEXEC, 0); err == nil {
		w.socks = append(w.socks, &sock{fd: fd, kin: s.kin, role: roleOther})
	}
}

// opPass gives a socket to another worker, or to this one, which may take it at any
// time or never.
func (w *worker) opPass() {
	s := w.any()
	if s == nil {
		return
	}
	err := unix.Sendmsg(w.inbox, []byte("x"), unix.UnixRights(s.fd), inboxName(w.rng.IntN(w.Slots)), unix.MSG_DONTWAIT)
	if err == nil {
		w.closeSock(s)
	}
}

func (w *worker) opReceive() { w.receive(w.inbox) }

func (w *worker) receive(from int) {
	oob := make([]byte, unix.CmsgSpace(2*4))
	_, n, _, _, err := unix.Recvmsg(from, make([]byte, 1), oob, unix.MSG_CMSG_CLOEXEC|unix.MSG_DONTWAIT)
	if err != nil {
		return
	}
	messages, err := unix.ParseSocketControlMessage(oob[:n])
	if err != nil || len(messages) == 0 {
		return
	}
	fds, err := unix.ParseUnixRights(&messages[0])
	if err != nil {
		return
	}
	for _, fd := range fds {
		w.socks = append(w.socks, &sock{fd: fd, kin: kinV4, role: roleOther})
	}
}

// opStash leaves a socket in flight, with no descriptor anywhere.
func (w *worker) opStash() {
	s := w.any()
	if s == nil || len(w.stashes) >= maxStashes {
		return
	}
	if pair, err := unix.Socketpair(unix.AF_UNIX, unix.SOCK_DGRAM|unix.SOCK_CLOEXEC, 0); err == nil {
		if unix.Sendmsg(pair[0], []byte("x"), unix.UnixRights(s.fd), nil, 0) == nil {
			w.closeSock(s)
		}
		w.stashes = append(w.stashes, stash{pair[0], pair[1]})
	}
}

// opUnstash receives it, or closes the pair around it.
func (w *worker) opUnstash() {
	if len(w.stashes) == 0 {
		return
	}
	i := w.rng.IntN(len(w.stashes))
	pair := w.stashes[i]
	w.stashes[i] = w.stashes[len(w.stashes)-1]
	w.stashes = w.stashes[:len(w.stashes)-1]
	if w.rng.IntN(2) == 0 {
		w.receive(pair.out)
	}
	_ = unix.Close(pair.in)
	_ = unix.Close(pair.out)
}

// opGarbage sends a socket into a pair together with that pair's own end: only the
// kernel's garbage collector can close it.
func (w *worker) opGarbage() {
	s := w.any()
	if s == nil {
		return
	}
	pair, err := unix.Socketpair(unix.AF_UNIX, unix.SOCK_DGRAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return
	}
	if unix.Sendmsg(pair[0], []byte("x"), unix.UnixRights(s.fd, pair[1]), nil, 0) == nil {
		w.closeSock(s)
	}
	_ = unix.Close(pair[0])
	_ = unix.Close(pair[1])
}

// opFork leaves sockets to a child, another program, and goes on with them.
func (w *worker) opFork() {
	if len(w.forks) >= maxForks {
		w.endFork()
		return
	}
	var input [2]int
	if err := unix.Pipe2(input[:], unix.O_CLOEXEC); err != nil {
		w.fault("pipe", err)
		return
	}
	defer unix.Close(input[0])
	files := []uintptr{uintptr(input[0]), 2, 2}
	for range 1 + w.rng.IntN(3) {
		if s := w.any(); s != nil {
			files = append(files, uintptr(s.fd))
		}
	}
	env := []string{heirEnv + "=1", "GOMAXPROCS=1"}
	pid, err := syscall.ForkExec("/proc/self/exe", []string{"chaos-heir"}, &syscall.ProcAttr{Files: files, Env: env})
	if err != nil {
		w.fault("fork", err)
		_ = unix.Close(input[1])
		return
	}
	w.forks = append(w.forks, fork{pid, input[1]})
}

func (w *worker) opEndFork() {
	if len(w.forks) > 0 {
		w.endFork()
	}
}

func (w *worker) endFork() {
	i := w.rng.IntN(len(w.forks))
	child := w.forks[i]
	w.forks[i] = w.forks[len(w.forks)-1]
	w.forks = w.forks[:len(w.forks)-1]
	if w.rng.IntN(2) == 0 {
		_ = unix.Kill(child.pid, unix.SIGKILL)
	}
	_ = unix.Close(child.input)
	for {
		if _, err := unix.Wait4(child.pid, nil, 0, nil); err != unix.EINTR {
			return
		}
	}
}
