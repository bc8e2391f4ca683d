package probe_test

import (
	"fmt"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"porttrace/internal/event"
	"porttrace/internal/netns"
)

// A look may find the port of a UDP connect() while the socket is being closed: the hold
// is told once, its end after its beginning.
func TestLookRacesWithClose(t *testing.T) {
	const sockets = 10_000 // the ring has room for the events of all
	ns, options := inside(t)
	options.BufferSize = 0
	p := open(t, options)
	var at netns.NS
	var err error
	ns.Do(func() { at, err = netns.At(fmt.Sprintf("/proc/self/task/%d/ns/net", unix.Gettid())) })
	if err != nil {
		t.Fatal(err)
	}
	done := make(chan error, 1)
	go ns.Do(func() { done <- connectAndCloseUDP(sockets) })
	begun, over := map[event.ID]int{}, map[event.ID]int{}
	handle := func(e *event.Event) {
		switch {
		case e.Hold.NetNS != ns.Inode:
		case e.Kind == event.Assign:
			begun[e.Hold.ID]++
		case e.Kind == event.Release:
			if over[e.Hold.ID]++; begun[e.Hold.ID] == 0 {
				t.Errorf("hold %v ends before it begins", e.Hold.ID)
			}
		}
	}
	for running := true; running && !t.Failed(); {
		select {
		case err := <-done:
			running = false
			if err != nil {
				t.Fatal(err)
			}
		default:
		}
		if err := p.LookUDP(at, func(*event.Event) {}); err != nil {
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
	if len(begun) != sockets || len(over) != sockets {
		t.Errorf("%d began and %d ended, want %d", len(begun), len(over), sockets)
	}
	for id, n := range begun {
		if n != 1 || over[id] != 1 {
			t.Errorf("hold %v began %d times and ended %d times", id, n, over[id])
		}
	}
}

func connectAndCloseUDP(n int) error {
	for range n {
		fd, err := unix.Socket(unix.AF_INET, unix.SOCK_DGRAM|unix.SOCK_CLOEXEC, 0)
		if err != nil {
			return err
		}
		if err := unix.Connect(fd, &unix.SockaddrInet4{Port: 9, Addr: [4]byte{127, 0, 0, 1}}); err != nil {
			return err
		}
		if err := unix.Close(fd); err != nil {
			return err
		}
	}
	return nil
}
