package scenario

import (
	"errors"
	"net/netip"
	"testing"

	"golang.org/x/sys/unix"

	"porttrace/internal/event"
	"porttrace/internal/lifetime"
)

// four is a range small enough to use up.
const (
	four      = "40000 40003"
	fourPorts = 4
)

// attempt is a way to ask for a port, and what the kernel says when there is none.
type attempt struct {
	name  string
	proto event.Proto
	path  event.Path
	ask   func(s *sock, to netip.AddrPort) error
	errno unix.Errno
}

var attempts = []attempt{
	{"tcp connect", event.TCP, event.Connect, (*sock).connect, unix.EADDRNOTAVAIL},
	{"tcp bind", event.TCP, event.Bind, bindAny, unix.EADDRINUSE},
	{"tcp listen", event.TCP, event.Listen, listenUnbound, unix.EADDRINUSE},
	{"udp bind", event.UDP, event.Bind, bindAny, unix.EADDRINUSE},
	{"udp connect", event.UDP, event.UDPConnect, (*sock).connect, unix.EAGAIN},
	{"udp send", event.UDP, event.UDPSend, trySend, unix.EAGAIN},
}

func bindAny(s *sock, to netip.AddrPort) error { return s.bind(netip.AddrPortFrom(to.Addr(), 0)) }

func listenUnbound(s *sock, _ netip.AddrPort) error { return unix.Listen(s.fd, 1) }

func trySend(s *sock, to netip.AddrPort) error {
	return unix.Sendto(s.fd, []byte("x"), 0, sockaddr(to))
}

func (a *attempt) socket(r *rig) *sock {
	r.t.Helper()
	if a.proto == event.UDP {
		return udpSock(r.t, r.ns, r.addr)
	}
	return tcpSock(r.t, r.ns, r.addr)
}

// fill asks until so many ports are taken.
func (a *attempt) fill(r *rig, n int) {
	r.t.Helper()
	for range n {
		if err := a.ask(a.socket(r), r.at); err != nil {
			r.t.Fatalf("%s of a free port: %v", a.name, err)
		}
	}
}

// awaitFull waits until what fill took is told: UDP's connect() has no hook of its own.
func (r *rig) awaitFull() {
	r.t.Helper()
	r.wait(fourPorts, "assigns", lifetime.Assign)
}

// fail asks many times in vain, each with a socket of its own that is closed: only
// then is every failure certain to be known.
func (a *attempt) fail(r *rig) {
	r.t.Helper()
	for range crowd {
		s := a.socket(r)
		if err := a.ask(s, r.at); !errors.Is(err, a.errno) {
			r.t.Fatalf("%s without a free port: %v, want %v", a.name, err, a.errno)
		}
		s.close()
	}
}

// checkFailures checks that each vain attempt was told, with this cause, and that a
// pool record followed the burst.
func (a *attempt) checkFailures(r *rig, cause lifetime.Cause) []told {
	r.t.Helper()
	failures := r.wait(crowd, "failures", lifetime.Failure)
	for _, f := range failures {
		got := f.Failure
		if got.Proto != a.proto || got.Path != a.path || got.Errno != unix.ErrnoName(a.errno) ||
			got.Cause != cause || !isOwn(got.Owner) {
			r.t.Fatalf("got %+v, want %s by %s, %v, %s and this process", *got, a.path, a.proto, a.errno, cause)
		}
		if a.path == event.Connect && got.Dst != r.at {
			r.t.Fatalf("destination %s, want %s", got.Dst, r.at)
		}
	}
	return failures
}

// checkUse checks what a failure says of its pool.
func (r *rig) checkUse(failures []told, inUse, usable int) {
	r.t.Helper()
	for _, f := range failures {
		if f.Failure.InUse != inUse || f.Failure.Usable != usable {
			r.t.Fatalf("%d in use of %d, want %d of %d: %+v", f.Failure.InUse, f.Failure.Usable, inUse, usable, *f.Failure)
		}
	}
	pools := r.tr.all(r.in(lifetime.Pool))
	if len(pools) == 0 {
		r.t.Fatal("no pool record after a burst of failures")
	}
	for _, p := range pools {
		if p.Pool.InUse != inUse || p.Pool.Usable != usable || p.Pool.TimeWait != 0 {
			r.t.Fatalf("pool: %+v, want %d in use of %d", *p.Pool, inUse, usable)
		}
	}
}

func failureRangeExhausted(t *testing.T, tr *trace) {
	for _, a := range attempts {
		t.Run(a.name, func(t *testing.T) {
			a.need(t, tr)
			families(t, func(t *testing.T, addr netip.Addr) {
				r := newRig(t, tr, addr)
				r.receiver()
				r.ns.Sysctl(t, "ipv4/ip_local_port_range", four)
				a.fill(r, fourPorts)
				r.awaitFull()
				a.fail(r)
				r.checkUse(a.checkFailures(r, lifetime.RangeExhausted), fourPorts, fourPorts)
			})
		})
	}
}

// The ports that UDP's connect() took a moment ago are not told yet. That the range is
// used up is certain all the same.
func failureUDPConnectAtOnce(t *testing.T, tr *trace) {
	families(t, func(t *testing.T, addr netip.Addr) {
		r := newRig(t, tr, addr)
		r.receiver()
		r.ns.Sysctl(t, "ipv4/ip_local_port_range", four)
		attempts[4].fill(r, fourPorts)
		attempts[4].fail(r)
		attempts[4].checkFailures(r, lifetime.RangeExhausted)
	})
}

// connect() shares a port between destinations: a second one has all four again.
func failureSecondDestination(t *testing.T, tr *trace) {
	families(t, func(t *testing.T, addr netip.Addr) {
		r := newRig(t, tr, addr)
		r.ns.Sysctl(t, "ipv4/ip_local_port_range", four)
		a := attempts[0]
		a.fill(r, fourPorts)
		a.fail(r)
		first := r.at
		r.at = netip.AddrPortFrom(addr, 7778)
		serverAt(t, r.ns, r.at)
		a.fill(r, fourPorts)
		r.wait(2*fourPorts, "assigns", lifetime.Assign)
		r.at = first
		a.checkFailures(r, lifetime.RangeExhausted)
	})
}

// What bind() took is not there for connect().
func failurePoisoned(t *testing.T, tr *trace) {
	families(t, func(t *testing.T, addr netip.Addr) {
		r := newRig(t, tr, addr)
		r.ns.Sysctl(t, "ipv4/ip_local_port_range", four)
		attempts[1].fill(r, 2)
		attempts[0].fill(r, 2)
		r.awaitFull()
		attempts[0].fail(r)
		r.checkUse(attempts[0].checkFailures(r, lifetime.RangeExhausted), 2, 2)
	})
}

// A pool full of TIME_WAIT says so.
func failureTimeWait(t *testing.T, tr *trace) {
	families(t, func(t *testing.T, addr netip.Addr) {
		r := newRig(t, tr, addr)
		r.ns.Sysctl(t, "ipv4/ip_local_port_range", four)
		r.ns.Sysctl(t, "ipv4/tcp_tw_reuse", "0")
		conns := make([]*subject, fourPorts)
		for i := range conns {
			c := r.client()
			conns[i] = r.took(c, func() { c.mustConnect(r.at) })
			c.peer = r.srv.accept()
		}
		r.rest(conns)
		attempts[0].fail(r)
		attempts[0].checkFailures(r, lifetime.RangeExhausted)
		pools := r.tr.all(r.in(lifetime.Pool))
		if len(pools) == 0 {
			t.Fatal("no pool record after a burst of failures")
		}
		if p := pools[0].Pool; p.InUse != fourPorts || p.TimeWait != fourPorts || p.Dst != r.at {
			t.Fatalf("pool %+v, want %d in use to %s, all in TIME_WAIT", *p, fourPorts, r.at)
		}
	})
}
