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
