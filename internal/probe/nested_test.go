package probe_test

import (
	"errors"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"porttrace/internal/event"
	"porttrace/internal/testutil"
)

// The second instance of a hook takes over exactly what the kernel skipped at the first:
// less would be lost, more would be handled twice.
func TestTwinsShareTheEvents(t *testing.T) {
	p := open(t, everything)
	var stop atomic.Bool
	var storm sync.WaitGroup
	defer storm.Wait()
	defer stop.Store(true)
	for range 2 {
		busy, waiting := testutil.NewNetNS(t), testutil.NewNetNS(t)
		storm.Go(func() { busy.Do(func() { connectOverAndOver(t, &stop) }) })
		late := testutil.NewNetNS(t)
		storm.Go(func() { waiting.Do(func() { timeOutOverAndOver(t, &stop) }) })
		storm.Go(func() { late.Do(func() { acceptLateOverAndOver(t, &stop) }) })
	}
	for events := 0; events < 200_000 && !t.Failed(); {
		if err := p.Poll(time.Millisecond, func(*event.Event) { events++ }); err != nil {
			t.Fatal(err)
		}
		for range 20 { // at any moment
			if lost, err := p.NewLosses(); err != nil || lost.Recursion != 0 {
				t.Errorf("in the middle of it %d events are told as lost, %v", lost.Recursion, err)
			}
		}
	}
	stop.Store(true)
	storm.Wait()
	skipped, rescued, err := p.Nested()
	if err != nil || skipped != rescued {
		t.Errorf("the kernel skipped %d events, the second instances took over %d, %v", skipped, rescued, err)
	}
	t.Logf("the kernel skipped %d events", skipped)
}

// connectOverAndOver connects to a listener of its own until told to stop, closing on
// either end first.
func connectOverAndOver(t *testing.T, stop *atomic.Bool) {
	l, at, err := listenAt(100)
	if err != nil {
		t.Error(err)
		return
	}
	defer unix.Close(l)
	for n := 0; !stop.Load(); n++ {
		c, err := unix.Socket(unix.AF_INET, unix.SOCK_STREAM|unix.SOCK_CLOEXEC, 0)
		if err == nil {
			err = unix.Connect(c, at)
		}
		if err != nil && err != unix.EADDRNOTAVAIL {
			t.Error(err)
			return
		}
		a, _, err := unix.Accept4(l, unix.SOCK_NONBLOCK)
		if n%20 != 0 {
			_ = unix.SetsockoptLinger(c, unix.SOL_SOCKET, unix.SO_LINGER, &unix.Linger{Onoff: 1})
		}
		unix.Close(c)
		if err == nil {
			unix.Close(a)
		}
	}
}

func listenAt(backlog int) (fd int, at unix.Sockaddr, err error) {
	fd, err = unix.Socket(unix.AF_INET, unix.SOCK_STREAM|unix.SOCK_CLOEXEC, 0)
	at = &unix.SockaddrInet4{Port: 7777, Addr: [4]byte{127, 0, 0, 1}}
	return fd, at, errors.Join(err, unix.Bind(fd, at), unix.Listen(fd, backlog))
}

// timeOutOverAndOver connects to a listener that takes no more: the timers that give up,
// by the thousand, interrupt whatever runs, hooks too.
func timeOutOverAndOver(t *testing.T, stop *atomic.Bool) {
	l, at, err := listenAt(0)
	if err != nil {
		t.Error(err)
		return
	}
	defer unix.Close(l)
	var waiting [2000]int
	for n := 0; !stop.Load(); n++ {
		slot := n % len(waiting)
		if waiting[slot] != 0 {
			unix.Close(waiting[slot])
		}
		c, err := unix.Socket(unix.AF_INET, unix.SOCK_STREAM|unix.SOCK_CLOEXEC|unix.SOCK_NONBLOCK, 0)
		if err != nil {
			t.Error(err)
			break
		}
		waiting[slot] = c
		_ = unix.SetsockoptInt(c, unix.SOL_TCP, unix.TCP_USER_TIMEOUT, 1)
		_ = unix.Connect(c, at)
		time.Sleep(500 * time.Microsecond)
	}
	for _, fd := range waiting {
		if fd != 0 {
			unix.Close(fd)
		}
	}
}

// acceptLateOverAndOver connects to a listener that takes no more at first: the SYNs that
// timers send again are answered, and the sockets of the listener's end are born in them.
func acceptLateOverAndOver(t *testing.T, stop *atomic.Bool) {
	l, at, err := listenAt(0)
	if err != nil {
		t.Error(err)
		return
	}
	defer unix.Close(l)
	for !stop.Load() && !t.Failed() {
		var clients [500]int
		for i := range clients {
			if clients[i], err = unix.Socket(unix.AF_INET, unix.SOCK_STREAM|unix.SOCK_CLOEXEC|unix.SOCK_NONBLOCK, 0); err != nil {
				t.Error(err)
				return
			}
			_ = unix.Connect(clients[i], at)
			time.Sleep(500 * time.Microsecond)
		}
		for until := time.Now().Add(1500 * time.Millisecond); time.Now().Before(until); {
			if poll := []unix.PollFd{{Fd: int32(l), Events: unix.POLLIN}}; !canAccept(poll) {
				continue
			}
			if a, _, err := unix.Accept4(l, unix.SOCK_CLOEXEC); err == nil {
				unix.Close(a)
			}
		}
		for _, c := range clients {
			unix.Close(c)
		}
	}
}

func canAccept(poll []unix.PollFd) bool {
	n, err := unix.Poll(poll, 10)
	return err == nil && n > 0
}
