package probe_test

import (
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"porttrace/internal/event"
)

// Two threads may send at once from a socket without a port: the one that the kernel
// gives it is told once.
func TestSendsRace(t *testing.T) {
	const sockets = 5_000
	ns, options := inside(t)
	options.BufferSize = 64 << 20
	p := open(t, options)
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
	var fd, turn, sent atomic.Int64
	var other sync.WaitGroup
	other.Go(func() {
		for n := int64(1); n <= sockets; n++ {
			for turn.Load() < n {
			}
			sendNothing(int(fd.Load()))
			sent.Add(1)
		}
	})
	ns.Do(func() {
		for n := int64(1); n <= sockets; n++ {
			s, err := unix.Socket(unix.AF_INET, unix.SOCK_DGRAM|unix.SOCK_CLOEXEC, 0)
			if err != nil {
				t.Error(err)
			}
			fd.Store(int64(s))
			turn.Store(n)
			sendNothing(s)
			for sent.Load() < n {
			}
			_ = unix.Close(s)
		}
	})
	other.Wait()
	if err := p.Poll(time.Millisecond, handle); err != nil {
		t.Fatal(err)
	}
	if err := p.Detach(); err != nil {
		t.Fatal(err)
	}
	if err := p.Drain(handle); err != nil {
		t.Fatal(err)
	}
	if len(begun) != sockets || len(over) != sockets {
		t.Errorf("%d holds began and %d ended, want %d", len(begun), len(over), sockets)
	}
}

func sendNothing(fd int) {
	_ = unix.Sendto(fd, nil, 0, &unix.SockaddrInet4{Port: 9, Addr: [4]byte{127, 0, 0, 1}})
}
