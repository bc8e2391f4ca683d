package scenario

import (
	"net/netip"
	"os"
	"testing"
	"time"

	"porttrace/internal/event"
	"porttrace/internal/ktime"
	"porttrace/internal/lifetime"
	"porttrace/internal/testutil"
)

// rig is a namespace under trace with a server in it.
type rig struct {
	t     *testing.T
	tr    *trace
	ns    *testutil.NetNS
	addr  netip.Addr
	srv   *sock
	at    netip.AddrPort
	clock *ktime.Clock
	late  time.Duration                 // how long peers wait before they close
	last  map[netip.AddrPort]ktime.Wall // when the kernel's table last had it
}

// newRig adds a namespace to a trace. It lives as long as the trace: the range of the next
// one with its inode number may not be known at once.
func newRig(t *testing.T, tr *trace, addr netip.Addr) *rig {
	t.Helper()
	r := &rig{t: t, tr: tr, addr: addr, clock: ktime.NewClock(), last: map[netip.AddrPort]ktime.Wall{}}
	r.ns = testutil.NewNetNS(tr.t)
	reachable(tr.t, r.ns)
	r.srv, r.at = server(t, r.ns, addr)
	return r
}

// in is in() for the namespace of the rig.
func (r *rig) in(typ lifetime.Type, more ...func(*told) bool) func(*told) bool {
	return in(r.ns, typ, more...)
}

// dump lists the last of what was recorded of the rig, for a failing test.
func (r *rig) dump() string {
	mine := r.tr.all(func(got *told) bool { return r.in(got.Type)(got) })
	last := &trace{r.t, &tracer{records: mine[max(0, len(mine)-3*crowd):]}}
	return last.dump()
}

// wait is trace.wait for the rig.
func (r *rig) wait(n int, what string, typ lifetime.Type, more ...func(*told) bool) []told {
	r.t.Helper()
	var found []told
	deadline := time.Now().Add(patience)
	for ; ; time.Sleep(5 * time.Millisecond) {
		found = r.tr.all(r.in(typ, more...))
		if len(found) >= n || time.Now().After(deadline) {
			break
		}
	}
	if len(found) != n {
		r.t.Fatalf("%s: %d records, want %d\n%s", what, len(found), n, r.dump())
	}
	return found
}

func (r *rig) one(what string, typ lifetime.Type, more ...func(*told) bool) told {
	r.t.Helper()
	return r.wait(1, what, typ, more...)[0]
}

func (r *rig) now() ktime.Wall { return r.clock.Wall(ktime.Now()) }

// subject is a socket under test and, once accepted, the server's end of it.
type subject struct {
	*sock
	peer  *sock
	proto event.Proto
	src   netip.AddrPort
	dst   netip.AddrPort

	called, returned ktime.Wall    // around the call that took the port
	ended            ktime.Wall    // before the call that ends it
	peerEnded        [2]ktime.Wall // around the peer's close
}

// client is a TCP socket that is not connected yet.
func (r *rig) client() *subject {
	r.t.Helper()
	return &subject{sock: tcpSock(r.t, r.ns, r.addr), proto: event.TCP, dst: r.at}
}

// took notes the port that call gave the socket.
func (r *rig) took(c *subject, call func()) *subject {
	r.t.Helper()
	c.called = r.now()
	call()
	c.returned = r.now()
	c.src = c.local()
	return c
}

// open connects many clients.
func (r *rig) open() []*subject {
	r.t.Helper()
	conns := make([]*subject, crowd)
	for i := range conns {
		c := r.client()
		conns[i] = r.took(c, func() { c.mustConnect(r.at) })
		c.peer = r.srv.accept()
	}
	return conns
}

// bindAll binds many clients: to ports from first on, or to any if that is 0.
func (r *rig) bindAll(first uint16) []*subject {
	r.t.Helper()
	conns := make([]*subject, crowd)
	for i := range conns {
		c, at := r.client(), netip.AddrPortFrom(r.addr, 0)
		if first != 0 {
			at = netip.AddrPortFrom(r.addr, first+uint16(i))
		}
		conns[i] = r.took(c, func() { c.mustBind(at) })
	}
	return conns
}

// connectAll connects clients that have a port.
func (r *rig) connectAll(conns []*subject) []*subject {
	r.t.Helper()
	for _, c := range conns {
		c.mustConnect(r.at)
		c.peer = r.srv.accept()
	}
	return conns
}

// await waits until the kernel's table has every connection in a state.
func (r *rig) await(conns []*subject, state event.State) {
	r.t.Helper()
	await(r.t, "all in "+state.String(), func() bool {
		in := 0
		for _, e := range r.table(conns) {
			if e.State == state {
				in++
			}
		}
		return in == len(conns)
	})
}

// table returns the lines of the kernel's tables that are these connections': TCP and UDP
// may have the same port.
func (r *rig) table(conns []*subject) []testutil.Entry {
	r.t.Helper()
	began := r.now()
	type key struct {
		proto event.Proto
		src   netip.AddrPort
	}
	ours := map[key]bool{}
	for _, c := range conns {
		ours[key{c.proto, c.src}] = true
	}
	var lines []testutil.Entry
	for _, e := range r.ns.Table(r.t) {
		if ours[key{e.Proto, e.Src}] {
			lines = append(lines, e)
			r.last[e.Src] = began
		}
	}
	return lines
}

// awaitGone waits until the kernel's table has none of them, and returns when it was
// so first.
func (r *rig) awaitGone(conns []*subject) ktime.Wall {
	r.t.Helper()
	await(r.t, "none in the kernel's table", func() bool { return len(r.table(conns)) == 0 })
	return r.now()
}

// end ends each connection.
func (r *rig) end(conns []*subject, how func(c *subject)) {
	for _, c := range conns {
		c.ended = r.now()
		how(c)
	}
}

// checkHeld compares the recording with the kernel's table: each is assigned, in this
// very state there, and not released.
func (r *rig) checkHeld(conns []*subject, path event.Path, state event.State) {
	r.t.Helper()
	r.await(conns, state)
	for _, c := range conns {
		r.checkAssigned(c, path)
	}
	if n := len(r.tr.all(r.in(lifetime.Release))); n != 0 {
		r.t.Fatalf("%d released while all are held\n%s", n, r.dump())
	}
}

func isOwn(o lifetime.Owner) bool {
	return int(o.PID) == os.Getpid() && o.TID != 0 && int(o.UID) == os.Getuid() && o.Comm != ""
}
