package probe_test

import (
	"errors"
	"fmt"
	"os"
	"testing"

	"golang.org/x/sys/unix"

	"porttrace/internal/event"
	"porttrace/internal/ktime"
	"porttrace/internal/lifetime"
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
	var records []lifetime.Record
	tr := lifetime.NewTracker(ktime.NewClock(), owners{}, false, func(r *lifetime.Record) {
		if r.Hold.NetNS == here.Inode && r.Hold.Port == port {
			records = append(records, *r)
		}
	})
	tr.Started()
	if err := errors.Join(p.Detach(), p.Drain(tr.Handle)); err != nil {
		t.Fatal(err)
	}
	elsewhere.Do(func() { // a stray in no process, which the second audit tells of
		_, leave := connectAndStay(t)
		leave()
	})
	looked := []netns.NS{namespaceOf(t, here), namespaceOf(t, elsewhere)}
	for range 4 {
		tr.BeginAudit(ktime.Now())
		_, err := p.Audit(looked, func(e *event.Event) {
			tr.Handle(e)
			if e.Kind == event.Found && e.Hold.NetNS == elsewhere.Inode && leave != nil {
				here.Do(leave)
				leave = nil
			}
		}, nil)
		if err != nil {
			t.Fatal(err)
		}
		tr.EndAudit()
	}
	if leave != nil {
		t.Error("the socket did not leave")
	}
	if len(records) != 1 || records[0].Type != lifetime.Assign {
		t.Errorf("told of the hold: %+v, want its assign alone", records)
	}
	moved := 0
	for _, c := range tr.Corrections().Details {
		if c.Hold.NetNS == here.Inode && c.Was == lifetime.Moved && c.Doer.Softirq && c.Hold.Owner.PID == uint32(os.Getpid()) {
			moved++
		} else if c.Hold.NetNS == here.Inode {
			t.Errorf("put right: %+v", c)
		}
	}
	if moved != 1 {
		t.Errorf("%d holds were found to have moved to a mini-socket, want 1", moved)
	}
}

// owners are told by their process alone.
type owners struct{}

func (owners) Describe(o event.Owner) lifetime.Owner { return lifetime.Owner{PID: o.PID} }

func (owners) NetNS(uint32, ktime.Time) lifetime.Interned[string] { return lifetime.Interned[string]{} }

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
		return 0, func() {}
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
