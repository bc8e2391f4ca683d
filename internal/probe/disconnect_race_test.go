package probe_test

import (
	"testing"
	"time"
	"unsafe"

	"golang.org/x/sys/unix"

	"porttrace/internal/event"
)

// A look and the socket's next call may both find that connect(AF_UNSPEC) gave the port
// up: the hold ends once, and the port that the socket asks for next is told.
func TestLookRacesWithDisconnect(t *testing.T) {
	const turns = 100_000
	ns, options := inside(t)
	options.BufferSize = 64 << 20
	p := open(t, options)
	done := make(chan error, 1)
	go ns.Do(func() { done <- connectAndDisconnectUDP(turns) })
	begun, over := map[event.ID]int{}, map[event.ID]int{}
	handle := func(e *event.Event) {
		switch {
		case e.Hold.NetNS != ns.Inode:
		case e.Kind == event.Assign:
			begun[e.Hold.ID]++
		case e.Kind == event.Release:
			over[e.Hold.ID]++
		}
	}
	for running := true; running; {
		select {
		case err := <-done:
			running = false
			if err != nil {
				t.Fatal(err)
			}
		default:
		}
		if err := p.RollCall(func(*event.Event) {}, nil); err != nil {
			t.Fatal(err)
		}
		if err := p.Poll(time.Microsecond, handle); err != nil {
			t.Fatal(err)
		}
	}
	if err := p.Detach(); err != nil {
		t.Fatal(err)
	}
	if err := p.Drain(handle); err != nil {
		t.Fatal(err)
	}
	if losses, err := p.NewLosses(); err != nil || losses.Total() != 0 {
		t.Errorf("%+v lost: %v", losses, err)
	}
	if len(begun) != turns || len(over) != turns {
		t.Errorf("%d began and %d ended, want %d", len(begun), len(over), turns)
	}
	for id, n := range begun {
		if n != 1 || over[id] != 1 {
			t.Errorf("hold %v began %d times and ended %d times", id, n, over[id])
		}
	}
	for id, n := range over {
		if begun[id] == 0 {
			t.Errorf("hold %v ended %d times and never began", id, n)
		}
	}
}

// connectAndDisconnectUDP has one socket take a port and give it up, over and over, and
// asks its name in between, which is when the port is told.
func connectAndDisconnectUDP(n int) error {
	fd, err := unix.Socket(unix.AF_INET, unix.SOCK_DGRAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return err
	}
	defer unix.Close(fd)
	for range n {
		if err := unix.Connect(fd, &unix.SockaddrInet4{Port: 9, Addr: [4]byte{127, 0, 0, 1}}); err != nil {
			return err
		}
		if _, err := unix.Getsockname(fd); err != nil {
			return err
		}
		if err := disconnect(fd); err != nil {
			return err
		}
	}
	return nil
}

// disconnect is connect() to AF_UNSPEC, which golang.org/x/sys does not offer.
func disconnect(fd int) error {
	raw := unix.RawSockaddr{Family: unix.AF_UNSPEC}
	_, _, errno := unix.Syscall(unix.SYS_CONNECT, uintptr(fd), uintptr(unsafe.Pointer(&raw)), unsafe.Sizeof(raw))
	if errno != 0 {
		return errno
	}
	return nil
}
