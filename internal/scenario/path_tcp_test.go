package scenario

import (
	"errors"
	"net/netip"
	"testing"

	"golang.org/x/sys/unix"

	"porttrace/internal/event"
	"porttrace/internal/lifetime"
)

// way is one way to come to a port.
type way struct {
	name  string
	path  event.Path
	state event.State // once open has returned
	open  func(p *site) conn
	// unmeasured: the kernel's search is not to be seen on this path
	unmeasured bool
}

var tcpWays = []way{
	{"connect", event.Connect, event.Established, connectBlocking, false},
	{"connect non-blocking", event.Connect, event.Established, connectNonblocking, false},
	{"connect io_uring", event.Connect, event.Established, connectRing, false},
	{"connect with the address bound", event.Connect, event.Established, connectAddressBound, false},
	{"bind", event.Bind, event.Bound, bindOnly, false},
	{"bind to the wildcard", event.Bind, event.Bound, bindWildcard, false},
	{"bind and listen", event.Bind, event.Listening, bindListen, false},
	{"bind and connect", event.Bind, event.Established, bindConnect, false},
	{"bind to the wildcard and connect", event.Bind, event.Established, bindWildcardConnect, false},
	{"listen", event.Listen, event.Listening, listenOnly, true},
}

func connectBlocking(p *site) conn {
	c := tcpSock(p.t, p.ns, p.addr)
	c.mustConnect(p.at)
	return p.joined(c)
}

func connectNonblocking(p *site) conn {
	c := tcpSock(p.t, p.ns, p.addr)
	if err := unix.SetNonblock(c.fd, true); err != nil {
		p.t.Fatal(err)
	}
	if err := c.connect(p.at); err != nil && !errors.Is(err, unix.EINPROGRESS) {
		p.t.Fatalf("connect: %v", err)
	}
	c.awaitTCP(unix.BPF_TCP_ESTABLISHED)
	return p.joined(c)
}

func connectAddressBound(p *site) conn {
	c := tcpSock(p.t, p.ns, p.addr)
	c.set(unix.IPPROTO_IP, unix.IP_BIND_ADDRESS_NO_PORT, 1)
	c.mustBind(p.own())
	if got := c.local(); got.Port() != 0 {
		p.t.Fatalf("bind chose port %d", got.Port())
	}
	c.mustConnect(p.at)
	return p.joined(c)
}

func bindOnly(p *site) conn {
	c := tcpSock(p.t, p.ns, p.addr)
	c.mustBind(p.own())
	return conn{sock: c}
}

func bindWildcard(p *site) conn {
	c := tcpSock(p.t, p.ns, p.addr)
	c.mustBind(p.anyAddr())
	return conn{sock: c}
}

func bindListen(p *site) conn {
	c := bindOnly(p)
	c.listen()
	return c
}

func bindConnect(p *site) conn {
	c := bindOnly(p)
	c.mustConnect(p.at)
	return p.joined(c.sock)
}

func bindWildcardConnect(p *site) conn {
	c := bindWildcard(p)
	c.mustConnect(p.at)
	return p.joined(c.sock)
}

func listenOnly(p *site) conn {
	c := tcpSock(p.t, p.ns, p.addr)
	c.listen()
	return conn{sock: c}
}

func TestTCPPaths(t *testing.T) {
	walkAll(t, tcpWays, inet, tcpSite)
}

// walkAll takes every way at a site of its own, under one trace.
func walkAll(t *testing.T, ways []way, families []family, place func(testing.TB, netip.Addr) *site) {
	t.Helper()
	tr := start(t, withStates())
	for _, w := range ways {
		t.Run(w.name, func(t *testing.T) {
			inThese(t, families, func(t *testing.T, addr netip.Addr) {
				walk(tr.with(t), place(t, addr), w)
			})
		})
	}
	tr.stop()
}

// walk takes a crowd of sockets through a way and out again, and compares what was
// recorded with what was done and with the kernel's tables, while open and after.
func walk(tr *trace, p *site, w way) {
	t := tr.t
	t.Helper()
	lockThread(t)
	var conns []conn
	var wants []want
	for range crowd {
		c := w.open(p)
		conns = append(conns, c)
		wants = append(wants, wantOf(c, w.path, w.state))
	}
	born := tr.wait(crowd, "assigns", in(p.ns, lifetime.Assign))
	tr.truth(p.ns)
	checkHolds(t, tr.latest(p.ns), wants)
	checkOwners(t, born, me(t))
	if !w.unmeasured {
		checkSearch(t, born)
	}
	for _, c := range conns {
		c.leave()
	}
	for _, r := range tr.wait(crowd, "releases", in(p.ns, lifetime.Release)) {
		if r.Reason != event.Closed {
			t.Errorf("port %d ended %q, want %q", r.Port, r.Reason, event.Closed)
		}
	}
	tr.truth(p.ns)
	tr.wait(crowd, "assigns in the end", in(p.ns, lifetime.Assign))
}
