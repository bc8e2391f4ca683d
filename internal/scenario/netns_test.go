package scenario

import (
	"errors"
	"os"
	"sync"
	"testing"

	"golang.org/x/sys/unix"

	"porttrace/internal/event"
	"porttrace/internal/lifetime"
	"porttrace/internal/netns"
	"porttrace/internal/testutil"
)

// few is how many ports a narrow namespace has, and connects: connect() looks at an
// even number of ports and may pass over the last one (__inet_hash_connect).
const few = 24

// sameTuples connects in a namespace with just as many ports, so that every such
// namespace has the same tuples.
func sameTuples(t *testing.T) (*site, []conn, []want) {
	t.Helper()
	p := tcpSite(t, v4)
	p.ns.Sysctl(t, "ipv4/ip_local_port_range", "50000 50023")
	var conns []conn
	var wants []want
	for range few {
		c := connectBlocking(p)
		conns, wants = append(conns, c), append(wants, wantOf(c, event.Connect, event.Established))
	}
	return p, conns, wants
}

// ours picks holds of this process: a namespace made while tracing may have an inode
// that another program's had before.
func ours(r *told) bool { return r.Owner.PID == uint32(os.Getpid()) }

func TestNamespacesWithTheSameTuples(t *testing.T) {
	tr := start(t, withStates())
	a, fromA, wants := sameTuples(t)
	b, fromB, _ := sameTuples(t)
	for _, p := range []*site{a, b} {
		tr.wait(few, "assigns", in(p.ns, lifetime.Assign, ours))
		tr.truth(p.ns)
		checkHolds(t, tr.latest(p.ns), wants)
	}
	for _, c := range fromA {
		c.leave()
	}
	tr.wait(few, "releases", in(a.ns, lifetime.Release, ours))
	tr.truth(a.ns)
	tr.truth(b.ns)
	tr.wait(0, "releases", in(b.ns, lifetime.Release, ours))
	for _, c := range fromB {
		c.leave()
	}
	tr.wait(few, "releases", in(b.ns, lifetime.Release, ours))
	tr.truth(b.ns)
}

func TestNamespaceFilter(t *testing.T) {
	a, fromA, before := sameTuples(t)
	b, fromB, _ := sameTuples(t)
	options := withStates()
	options.NetNS = a.ns.Inode
	tr := start(t, options)
	checkSeen(t, tr.wait(few, "holds at the start", in(a.ns, lifetime.HeldAtStart)), before)
	for _, c := range append(fromB, fromA...) {
		c.leave()
	}
	tr.wait(few, "releases", in(a.ns, lifetime.Release))
	await(t, "the other namespace's ports are free", func() bool { return kernelSet(t, b.ns) == "" })
	for range few {
		connectBlocking(b).leave()
		udpSend(b).close()
		bindOnly(b).close()
		connectBlocking(a)
	}
	tr.wait(few, "assigns", in(a.ns, lifetime.Assign))
	tr.truth(a.ns)
	tr.stop()
	elsewhere := tr.all(func(r *told) bool { return r.ID != 0 && r.Hold.NetNS != a.ns.Inode })
	for _, r := range elsewhere {
		t.Errorf("from another namespace: %s", describe(&r))
	}
}

// Namespaces come and go; each leaves one TIME_WAIT that goes with it.
func TestManyNamespaces(t *testing.T) {
	const namespaces = 200
	tr := start(t, everything())
	var group sync.WaitGroup
	for n := range 4 {
		group.Go(func() {
			for i := n; i < namespaces; i += 4 {
				p := tcpSite(t, v4)
				connectBlocking(p).leave()
				c := connectBlocking(p)
				c.sock.close()
				c.peer.close()
				p.srv.close()
				p.ns.Destroy()
			}
		})
	}
	group.Wait()
	// inodes are used again, also by others: the owner tells
	in := func(typ lifetime.Type, reason event.Reason) func(*told) bool {
		return func(r *told) bool {
			return r.Type == typ && r.Reason == reason && ours(r)
		}
	}
	tr.wait(namespaces, "closes", in(lifetime.Release, event.Closed))
	tr.wait(namespaces, "ends with a namespace", in(lifetime.Release, event.NetnsDestroyed))
	tr.wait(2*namespaces, "assigns", in(lifetime.Assign, 0))
	tr.stop()
	tr.wait(0, "holds at the end", in(lifetime.HeldAtEnd, 0))
}

// A namespace goes while its kernel still has TIME_WAITs and FIN_WAIT2 orphans.
func TestNamespaceDestroyedWithLeftovers(t *testing.T) {
	p := tcpSite(t, v4)
	ns := p.ns
	tr := start(t, everything())
	var orphans []conn
	for range crowd {
		c := connectBlocking(p)
		c.sock.close()
		c.peer.close()
		c = connectBlocking(p)
		c.sock.close()
		orphans = append(orphans, c)
	}
	await(t, "FIN_WAIT2 orphans", func() bool {
		n := 0
		for _, e := range ns.Table(t) {
			if e.State == event.FinWait2 {
				n++
			}
		}
		return n == crowd
	})
	lowerLoopback(t, ns) // the server's RST is not to reach them
	for _, c := range orphans {
		c.peer.resetOnClose()
		c.peer.close()
	}
	p.srv.close()
	ns.Destroy()
	gone := tr.wait(2*crowd, "ends with the namespace", in(ns, lifetime.Release, byReason(event.NetnsDestroyed)))
	checkStates(t, gone, map[event.State]int{event.TimeWait: crowd, event.FinWait2: crowd})
	tr.stop()
	tr.wait(0, "holds at the end", in(ns, lifetime.HeldAtEnd))
}

func checkStates(t *testing.T, holds []told, wanted map[event.State]int) {
	t.Helper()
	got := map[event.State]int{}
	for _, h := range holds {
		got[h.Hold.State]++
	}
	for state, n := range wanted {
		if got[state] != n {
			t.Errorf("%d holds ended in %s, want %d", got[state], state, n)
		}
	}
}

func lowerLoopback(t *testing.T, ns *testutil.NetNS) {
	t.Helper()
	s := udpSock(t, ns, v4)
	defer s.close()
	req, err := unix.NewIfreq("lo")
	if err != nil {
		t.Fatal(err)
	}
	req.SetUint16(0)
	if err := unix.IoctlIfreq(s.fd, unix.SIOCSIFFLAGS, req); err != nil {
		t.Fatalf("lowering lo: %v", err)
	}
}

// A name that is unmounted between finding and entering is a namespace that went, as
// `ip netns del` makes it go; a look passes over it.
func TestNamespaceNameGone(t *testing.T) {
	ns := testutil.NewNetNS(t)
	reachable(t, ns)
	found, err := netns.At(nameOf(ns))
	if err != nil {
		t.Fatal(err)
	}
	if err := unix.Unmount(nameOf(ns), unix.MNT_DETACH); err != nil {
		t.Fatal(err)
	}
	if err := found.Do(func() error { return nil }); !errors.Is(err, netns.ErrGone) {
		t.Errorf("entering a namespace whose name is gone: %v, want %v", err, netns.ErrGone)
	}
}
