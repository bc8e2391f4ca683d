package main

import (
	"encoding/binary"
	"encoding/json"
	"fmt"
	"io"
	"runtime/debug"
	"time"
	"unsafe"

	"golang.org/x/sys/unix"
)

// tally is what a client did.
type tally struct {
	Made    map[string]uint64 // by path
	Failed  map[string]uint64 // by errno
	TCP     uint64            // connections the server will see
	Elapsed time.Duration
}

// runClient connects and closes from the first byte on its input until the time is
// over, then stays until the input ends: owners are looked up while it lives.
func runClient(o options, stdin io.Reader, stdout io.Writer) error {
	if o.dial == "raw" {
		debug.SetGCPercent(-1) // the loop allocates nothing
	}
	steps := make([]step, 0, 64)
	for _, a := range plan(o.mix, o.orderly) {
		steps = append(steps, newStep(a, o.dial))
	}
	fmt.Fprintln(stdout, "ready")
	if !started(stdin) {
		return nil
	}
	if err := json.NewEncoder(stdout).Encode(storm(steps, o.length())); err != nil {
		return fmt.Errorf("telling the result: %w", err)
	}
	_, err := io.Copy(io.Discard, stdin)
	return err
}

func storm(steps []step, length time.Duration) tally {
	done := make([]uint64, len(steps))
	var failed [256]uint64
	start := time.Now()
	for at := 0; ; {
		if at%8 == 0 && time.Since(start) >= length {
			break
		}
		if errno := steps[at].do(); errno == 0 {
			done[at]++
		} else {
			failed[uint8(errno)]++
		}
		if at++; at == len(steps) {
			at = 0
		}
	}
	t := tally{Made: map[string]uint64{}, Failed: map[string]uint64{}, Elapsed: time.Since(start)}
	for i, n := range done {
		t.Made[steps[i].path()] += n
		if !steps[i].udp {
			t.TCP += n
		}
	}
	for errno, n := range failed {
		if n > 0 {
			t.Failed[unix.ErrnoName(unix.Errno(errno))] = n
		}
	}
	return t
}

// step is an action with its system call arguments ready.
type step struct {
	action
	dials        bool // with package net
	family, kind uintptr
	to           unix.RawSockaddrInet6 // large enough for both families
	size         uintptr
}

func newStep(a action, dial string) step { return newStepTo(a, a.port(), dial) }

func newStepTo(a action, to int, dial string) step {
	s := step{action: a, dials: dial == "net" && !a.send, family: unix.AF_INET, kind: unix.SOCK_STREAM, size: unix.SizeofSockaddrInet4}
	if a.udp {
		s.kind = unix.SOCK_DGRAM
	}
	var port [2]byte
	binary.BigEndian.PutUint16(port[:], uint16(to))
	if a.v6 {
		s.family, s.size = unix.AF_INET6, unix.SizeofSockaddrInet6
		s.to = unix.RawSockaddrInet6{Family: unix.AF_INET6, Addr: [16]byte{15: 1}}
		s.to.Port = binary.NativeEndian.Uint16(port[:])
		return s
	}
	four := (*unix.RawSockaddrInet4)(unsafe.Pointer(&s.to))
	*four = unix.RawSockaddrInet4{Family: unix.AF_INET, Addr: [4]byte{127, 0, 0, 1}}
	four.Port = binary.NativeEndian.Uint16(port[:])
	return s
}

var (
	lingerZero = unix.Linger{Onoff: 1}
	payload    [1]byte
)

// do takes one port and gives it back. Raw calls: the net package's poller costs more
// than the connection. On loopback none of them sleeps, save the wait for the
// server's FIN.
func (s *step) do() unix.Errno {
	if s.dials {
		return s.dial()
	}
	fd, _, errno := unix.RawSyscall(unix.SYS_SOCKET, s.family, s.kind|unix.SOCK_CLOEXEC, 0)
	if errno != 0 {
		return errno
	}
	if s.udp {
		errno = s.datagram(fd)
	} else {
		errno = s.connect(fd)
	}
	unix.RawSyscall(unix.SYS_CLOSE, fd, 0, 0)
	return errno
}

func (s *step) connect(fd uintptr) unix.Errno {
	to := uintptr(unsafe.Pointer(&s.to))
	if _, _, errno := unix.RawSyscall(unix.SYS_CONNECT, fd, to, s.size); errno != 0 {
		return errno
	}
	switch s.end {
	case reset:
		_, _, errno := unix.RawSyscall6(unix.SYS_SETSOCKOPT, fd, unix.SOL_SOCKET, unix.SO_LINGER,
			uintptr(unsafe.Pointer(&lingerZero)), unsafe.Sizeof(lingerZero), 0)
		return errno
	case serverFirst:
		return waitEOF(fd)
	}
	return 0
}

func (s *step) datagram(fd uintptr) unix.Errno {
	to, data := uintptr(unsafe.Pointer(&s.to)), uintptr(unsafe.Pointer(&payload))
	if s.send {
		_, _, errno := unix.RawSyscall6(unix.SYS_SENDTO, fd, data, 1, 0, to, s.size)
		return errno
	}
	if _, _, errno := unix.RawSyscall(unix.SYS_CONNECT, fd, to, s.size); errno != 0 {
		return errno
	}
	_, _, errno := unix.RawSyscall6(unix.SYS_SENDTO, fd, data, 1, 0, 0, 0)
	return errno
}

// waitEOF reads until the peer has closed.
func waitEOF(fd uintptr) unix.Errno {
	var buf [16]byte
	for {
		n, _, errno := unix.Syscall(unix.SYS_READ, fd, uintptr(unsafe.Pointer(&buf)), uintptr(len(buf)))
		switch {
		case errno == unix.EINTR:
		case errno != 0:
			return errno
		case n == 0:
			return 0
		}
	}
}
