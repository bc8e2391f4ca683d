package probe_test

import (
	"fmt"
	"os"
	"testing"

	"golang.org/x/sys/unix"

	"porttrace/internal/event"
	"porttrace/internal/netns"
	"porttrace/internal/testutil"
	"porttrace/internal/testutil/need"
)

// A socket that no hook sees leaving to a mini-socket, between an audit's look at the tables
// and its roll call: the hold goes on with its owner, it does not end and begin again.
func TestMoveInTheMiddleOfAnAudit(t *testing.T) {
	here, elsewhere := testutil.NewNetNS(t), testutil.NewNetNS(t)
	p := open(t, everything)
	cookies, err := p.KnowsByCookie()
	if err != nil {
		t.Fatal(err)
	}
	need.That(t, cookies, "a socket and its mini-socket with one cookie (Linux 5.12)")
	var port uint16
	var leave func()
	here.Do(func() { port, leave = connectAndStay(t) })
	if err := p.Detach(); err != nil {
		t.Fatal(err)
	}
	if err := p.Drain(func(*event.Event) {}); err != nil {
		t.Fatal(err)
	}
	elsewhere.Do(func() { // a stray in no process, which the second audit tells of
		_, leave := connectAndStay(t)
		leave()
	})
	looked := []netns.NS{namespaceOf(t, here), namespaceOf(t, elsewhere)}
	for audit := 1; audit <= 4; audit++ {
		var told []event.Event
		note := func(e *event.Event) {
			if e.Hold.NetNS == here.Inode && e.Hold.Port == port {
				told = append(told, *e)
			}
			if e.Kind == event.Found && e.Hold.NetNS == elsewhere.Inode && leave != nil {
				here.Do(leave)
				leave = nil
			}
		}
		if _, err := p.Audit(looked, note, nil); err != nil {
			t.Fatal(err)
		}
		if audit < 4 {
			continue
		}
		if leave != nil {
			t.Error("the socket did not move")
		}
		checkGoesOn(t, told)
	}
}

// checkGoesOn is that the hold that left is told as found again, and then as held.
func checkGoesOn(t *testing.T, told []event.Event) {
	t.Helper()
	if len(told) != 2 || told[0].Kind != event.Found || told[1].Kind != event.Held {
		t.Fatalf("told: %+v", told)
	}
	if h := told[0].Hold; h.State != event.FinWait2 || h.Path != event.Connect || h.Owner.PID != uint32(os.Getpid()) {
		t.Errorf("the hold does not go on: %+v", h)
	}
}

// connectAndStay connects to a listener of its own; leave closes the client's end, whose
// mini-socket is there then, and waits for the server's.
func connectAndStay(t *testing.T) (port uint16, leave func()) {
	l, at, err := listenAt(1)
	if err != nil {
		t.Error(err)
	}
	t.Cleanup(func() { unix.Close(l) })
	c := newSocket(t, unix.SOCK_STREAM)
	if err := unix.Connect(c, at); err != nil {
		t.Error(err)
	}
	a, _, err := unix.Accept4(l, unix.SOCK_CLOEXEC)
	if err != nil {
		t.Error(err)
	}
	t.Cleanup(func() { unix.Close(a) })
	name, err := unix.Getsockname(c)
	if err != nil {
		t.Error(err)
	}
	return uint16(name.(*unix.SockaddrInet4).Port), func() {
		_ = unix.Shutdown(c, unix.SHUT_WR)
		for state := uint8(0); state != unix.BPF_TCP_FIN_WAIT2 && err == nil; {
			var info *unix.TCPInfo
			if info, err = unix.GetsockoptTCPInfo(c, unix.SOL_TCP, unix.TCP_INFO); err == nil {
				state = info.State
			}
		}
		unix.Close(c)
	}
}

func namespaceOf(t *testing.T, n *testutil.NetNS) (ns netns.NS) {
	t.Helper()
	var err error
	n.Do(func() { ns, err = netns.At(fmt.Sprintf("/proc/%d/task/%d/ns/net", os.Getpid(), unix.Gettid())) })
	if err != nil {
		t.Fatal(err)
	}
	return ns
}
