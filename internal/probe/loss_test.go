package probe_test

import (
	"testing"

	"golang.org/x/sys/unix"

	"porttrace/internal/event"
	"porttrace/internal/testutil"
)

// Every event is either handed over or counted as lost: here each connection makes two,
// and the ring has room for seventeen.
func TestOnePageRingAccountsForEveryEvent(t *testing.T) {
	const connections = 499
	ns := testutil.NewNetNS(t)
	options := everything
	options.BufferSize, options.NetNS = 4096, ns.Inode
	p := open(t, options)
	seen := map[event.Kind]int{}
	count := func(e *event.Event) { seen[e.Kind]++ }
	for i := range connections {
		ns.Do(func() { connectAndReset(t) })
		if i%100 == 99 { // between two reads more is told than fits
			if err := p.Poll(0, count); err != nil {
				t.Fatal(err)
			}
		}
	}
	lost, err := p.NewLosses()
	if err != nil {
		t.Fatal(err)
	}
	if err := p.Detach(); err != nil {
		t.Fatal(err)
	}
	if err := p.Drain(count); err != nil {
		t.Fatal(err)
	}
	told := seen[event.Assign] + seen[event.Release]
	if lost.Ring == 0 || uint64(told)+lost.Ring != 2*connections || lost.Map != 0 {
		t.Errorf("%v seen and %+v lost, want %d in all", seen, lost, 2*connections)
	}
}

// A first look at very many sockets lets the ring be read meanwhile.
func TestFirstLookLeavesTheRingRoom(t *testing.T) {
	const sockets = 3000
	ns, options := inside(t)
	options.BufferSize = 4096 // seventeen events
	ns.Do(func() {
		for range sockets {
			fd, err := unix.Socket(unix.AF_INET, unix.SOCK_DGRAM|unix.SOCK_CLOEXEC, 0)
			if err == nil {
				t.Cleanup(func() { unix.Close(fd) })
				err = unix.Bind(fd, &unix.SockaddrInet4{Addr: [4]byte{127, 0, 0, 1}})
			}
			if err != nil {
				t.Error(err)
			}
		}
	})
	p := open(t, options)
	seen, connections := map[event.Kind]int{}, 0
	count := func(e *event.Event) { seen[e.Kind]++ }
	err := p.Snapshot(nil, count, func() error {
		ns.Do(func() { connectAndReset(t) })
		connections++
		return p.Poll(0, count)
	})
	if err != nil {
		t.Fatal(err)
	}
	if lost, err := p.NewLosses(); err != nil || lost.Total() != 0 {
		t.Errorf("lost %+v: %v", lost, err)
	}
	if connections < 10 || seen[event.Found] != sockets || seen[event.Assign] != connections || seen[event.Release] != connections {
		t.Errorf("%v seen, want %d found and %d assigned and released", seen, sockets, connections)
	}
}

// connectAndReset makes one connection to a listener of its own; the client's end sends
// a RST.
func connectAndReset(t *testing.T) {
	t.Helper()
	l, at, err := listenAt(1)
	if err != nil {
		t.Error(err)
		return
	}
	defer unix.Close(l)
	c, err := unix.Socket(unix.AF_INET, unix.SOCK_STREAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		t.Error(err)
		return
	}
	if err := unix.Connect(c, at); err != nil {
		t.Error(err)
	}
	_ = unix.SetsockoptLinger(c, unix.SOL_SOCKET, unix.SO_LINGER, &unix.Linger{Onoff: 1})
	unix.Close(c)
}
