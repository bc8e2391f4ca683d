package probe_test

import (
	"errors"
	"os"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"
	"unsafe"

	"golang.org/x/sys/unix"

	"porttrace/internal/event"
	"porttrace/internal/probe"
	"porttrace/internal/testutil"
)

// Threads that preempt each other in the middle of hooks: one wakes up over and over on the
// CPU of another, and both take ports, give them back, and ask for some that they do not get.
// All of it is told once. A kernel that runs with preempt=full (internal/vm -boot) has any
// thread preempt another in the kernel, others that do have those of a real-time class.
func TestPreempted(t *testing.T) {
	busy, waking := testutil.NewNetNS(t), testutil.NewNetNS(t)
	p := open(t, everything)
	got := turns{inodes: [2]uint32{busy.Inode, waking.Inode}}
	var stop atomic.Bool
	var count atomic.Int64
	var threads sync.WaitGroup
	defer threads.Wait()
	defer stop.Store(true)
	turn := func(server unix.Sockaddr) {
		takeAndGive(t, server)
		count.Add(1)
	}
	threads.Go(func() { busy.Do(func() { onFirstCPU(t, false); preempted(t, &stop, turn) }) })
	threads.Go(func() { waking.Do(func() { onFirstCPU(t, true); preempting(t, &stop, turn) }) })
	for !stop.Load() {
		if err := p.Poll(20*time.Millisecond, got.note); err != nil {
			t.Fatal(err)
		}
	}
	threads.Wait()
	lost, err := p.NewLosses()
	skipped, rescued, failed := p.Nested()
	if err := errors.Join(err, failed, p.Detach(), p.Drain(got.note)); err != nil {
		t.Fatal(err)
	}
	t.Logf("%d turns; the kernel skipped %d runs, %d of them were taken over", count.Load(), skipped, rescued)
	n := int(count.Load())
	if got.assigns != [...]int{event.Connect: n, event.Bind: 2 * n, event.UDPConnect: n, event.UDPSend: n, event.Explicit: 0} || got.releases != 5*n {
		t.Errorf("of %d turns: assigns by path %v, want one each and two of bind; %d releases", n, got.assigns, got.releases)
	}
	if lost.Total() != 0 || skipped != rescued || got.failures != 2*n {
		t.Errorf("of %d turns: lost %+v; %d failures", n, lost, got.failures)
	}
	if p.Hooks() == probe.Fentry && isPreemptible(t) && skipped == 0 { // tracepoints: 7.0 and later
		t.Error("nothing met a hook at work")
	}
}

// turns are what was told of the threads' turns.
type turns struct {
	inodes             [2]uint32
	assigns            [event.Explicit + 1]int
	releases, failures int
}

func (g *turns) note(e *event.Event) {
	if e.Hold.NetNS != g.inodes[0] && e.Hold.NetNS != g.inodes[1] {
		return
	}
	switch e.Kind {
	case event.Assign:
		g.assigns[e.Hold.Path]++
	case event.Release:
		g.releases++
	case event.Failure:
		g.failures++
	}
}

func preempted(t *testing.T, stop *atomic.Bool, turn func(server unix.Sockaddr)) {
	server, done := connectOwn(t)
	defer done()
	for !stop.Load() {
		turn(server)
	}
}

func preempting(t *testing.T, stop *atomic.Bool, turn func(server unix.Sockaddr)) {
	defer stop.Store(true)
	server, done := connectOwn(t)
	defer done()
	for n := int64(0); n < 3000 && !t.Failed(); n++ {
		nap := unix.NsecToTimespec(50_000 + n*7919%400_000)
		_ = unix.Nanosleep(&nap, nil)
		turn(server)
	}
}

// own is an address that a program may ask for by number: of these nothing is told.
var own = &unix.SockaddrInet4{Port: 7000, Addr: [4]byte{127, 0, 0, 1}}

// connectOwn connects own to a server.
func connectOwn(t *testing.T) (server unix.Sockaddr, done func()) {
	l, server, err := listenAt(1)
	if err != nil {
		t.Error(err)
	}
	c := ownSocket(t)
	if err := unix.Connect(c, server); err != nil {
		t.Error(err)
	}
	return server, func() { unix.Close(c); unix.Close(l) }
}

func ownSocket(t *testing.T) int {
	fd := newSocket(t, unix.SOCK_STREAM)
	if err := errors.Join(unix.SetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_REUSEADDR, 1), unix.Bind(fd, own)); err != nil {
		t.Error(err)
	}
	return fd
}

func newSocket(t *testing.T, kind int) int {
	fd, err := unix.Socket(unix.AF_INET, kind|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		t.Error(err)
	}
	return fd
}

// takeAndGive is one turn: five ports and two failures.
func takeAndGive(t *testing.T, server unix.Sockaddr) {
	nobody := &unix.SockaddrInet4{Port: 1, Addr: [4]byte{127, 0, 0, 1}}
	anyPort := &unix.SockaddrInet4{Addr: [4]byte{127, 0, 0, 1}}
	notHere := &unix.SockaddrInet4{Addr: [4]byte{192, 0, 2, 1}}
	for _, c := range []struct {
		kind int
		do   func(fd int) error
		want error
	}{
		{unix.SOCK_STREAM, func(fd int) error { return unix.Connect(fd, nobody) }, unix.ECONNREFUSED},
		{unix.SOCK_STREAM, func(fd int) error { return unix.Bind(fd, anyPort) }, nil},
		{unix.SOCK_DGRAM, func(fd int) error { return unix.Connect(fd, nobody) }, nil},
		{unix.SOCK_DGRAM, func(fd int) error { return unix.Bind(fd, anyPort) }, nil},
		{unix.SOCK_DGRAM, func(fd int) error { return unix.Sendto(fd, nil, 0, nobody) }, nil},
		{unix.SOCK_DGRAM, func(fd int) error { return unix.Bind(fd, notHere) }, unix.EADDRNOTAVAIL},
	} {
		fd := newSocket(t, c.kind)
		if err := c.do(fd); err != c.want && !errors.Is(err, c.want) {
			t.Errorf("got %v, want %v", err, c.want)
		}
		unix.Close(fd)
	}
	fd := ownSocket(t)
	if err := unix.Connect(fd, server); err != unix.EADDRNOTAVAIL {
		t.Errorf("connecting twice to the same server from the same port: %v", err)
	}
	unix.Close(fd)
}

// onFirstCPU keeps this thread there, in a real-time class if it is to preempt others and
// an ordinary thread would not.
func onFirstCPU(t *testing.T, preempts bool) {
	var first unix.CPUSet
	first.Set(0)
	if err := unix.SchedSetaffinity(0, &first); err != nil {
		t.Error(err)
	}
	if !preempts || isPreemptible(t) {
		return
	}
	priority := int32(10)
	if _, _, errno := unix.Syscall(unix.SYS_SCHED_SETSCHEDULER, 0, unix.SCHED_FIFO, uintptr(unsafe.Pointer(&priority))); errno != 0 {
		t.Logf("an ordinary thread: SCHED_FIFO: %v", errno)
	}
}

func isPreemptible(t *testing.T) bool {
	line, err := os.ReadFile("/proc/cmdline")
	if err != nil {
		t.Error(err)
	}
	return strings.Contains(string(line), "preempt=full")
}
