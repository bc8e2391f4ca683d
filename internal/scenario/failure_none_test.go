package scenario

import (
	"errors"
	"net/netip"
	"testing"

	"golang.org/x/sys/unix"

	"porttrace/internal/event"
	"porttrace/internal/lifetime"
	"porttrace/internal/testutil"
)

// What goes wrong for another reason than ports is no failure; holds is how many holds
// it leaves behind, or has had.
var unrelated = []struct {
	name  string
	do    func(r *rig)
	holds int
}{
	{"refused", func(r *rig) {
		r.try(unix.ECONNREFUSED, r.client().connect(netip.AddrPortFrom(r.addr, 7778)))
	}, 1},
	{"aborted", func(r *rig) {
		r.srv.deafen()
		c := r.client()
		c.beginConnect(r.at)
		c.close()
	}, 1},
	{"no route", func(r *rig) {
		r.try(unix.ENETUNREACH, r.client().connect(netip.AddrPortFrom(strangers[r.addr.Is4()], 7777)))
	}, 0},
	{"no route for UDP", func(r *rig) { // the port is taken before the route is looked up
		s := udpSock(r.t, r.ns, r.addr)
		r.try(unix.ENETUNREACH, s.connect(netip.AddrPortFrom(strangers[r.addr.Is4()], 7777)))
		s.close()
	}, 1},
	{"a socket and no more", func(r *rig) {
		tcpSock(r.t, r.ns, r.addr).close()
		udpSock(r.t, r.ns, r.addr).close()
	}, 0},
	{"bound already", func(r *rig) {
		s := tcpSock(r.t, r.ns, r.addr)
		s.mustBind(netip.AddrPortFrom(r.addr, 0))
		r.try(unix.EINVAL, s.bind(netip.AddrPortFrom(r.addr, 0)))
		s.close()
	}, 1},
	{"explicit port in use", func(r *rig) { r.try(unix.EADDRINUSE, r.client().bind(r.at)) }, 0},
	{"explicit port of a stranger", func(r *rig) {
		r.try(unix.EADDRNOTAVAIL, r.client().bind(netip.AddrPortFrom(strangers[r.addr.Is4()], 20000)))
	}, 0},
	{"address only", func(r *rig) {
		s := r.client()
		s.set(unix.IPPROTO_IP, unix.IP_BIND_ADDRESS_NO_PORT, 1)
		s.mustBind(netip.AddrPortFrom(r.addr, 0))
		s.close()
	}, 0},
	{"connected already", func(r *rig) {
		s := r.client()
		s.mustConnect(r.at)
		r.try(unix.EISCONN, s.connect(r.at))
		s.resetOnClose()
		s.close()
	}, 1},
}

func (r *rig) try(want unix.Errno, err error) {
	r.t.Helper()
	if !errors.Is(err, want) {
		r.t.Fatalf("got %v, want %v", err, want)
	}
}

func failureNone(t *testing.T, tr *trace) {
	for _, tc := range unrelated {
		t.Run(tc.name, func(t *testing.T) {
			families(t, func(t *testing.T, addr netip.Addr) {
				r := newRig(t, tr, addr)
				for range crowd {
					tc.do(r)
				}
				r.flush()
				r.wait(crowd*tc.holds+1, "assigns", lifetime.Assign)
				r.wait(crowd*tc.holds+1, "releases", lifetime.Release)
				if failures := r.tr.all(r.in(lifetime.Failure)); len(failures) != 0 {
					t.Fatalf("%d failures where none was, as %+v", len(failures), *failures[0].Failure)
				}
			})
		})
	}
}

// flush makes sure that all before it is recorded: by a hold that comes after.
func (r *rig) flush() {
	r.t.Helper()
	began := r.tr.now()
	s := tcpSock(r.t, r.ns, r.addr)
	s.mustBind(netip.AddrPortFrom(r.addr, 0))
	s.close()
	r.one("the last release", lifetime.Release, byProto(event.TCP), since(began))
}

// Raw sockets have a protocol and no port, and what they keep in its place is none.
func TestRawSocketsAreNoHolds(t *testing.T) {
	t.Parallel()
	ns := testutil.NewNetNS(t)
	reachable(t, ns)
	raws := map[string]*sock{}
	for name, proto := range map[string]int{"tcp": unix.IPPROTO_TCP, "udp": unix.IPPROTO_UDP} {
		raw := &sock{t, ns, -1}
		var err error
		ns.Do(func() { raw.fd, err = unix.Socket(unix.AF_INET, unix.SOCK_RAW|unix.SOCK_CLOEXEC, proto) })
		if err != nil {
			t.Fatalf("raw socket: %v", err)
		}
		t.Cleanup(raw.close)
		raws[name] = raw
	}
	tr := start(t, everything())
	for range crowd { // no route: a send that fails
		err := unix.Sendto(raws["udp"].fd, make([]byte, 8), 0, sockaddr(netip.AddrPortFrom(strangers[true], 0)))
		if !errors.Is(err, unix.ENETUNREACH) {
			t.Fatalf("sendto: %v, want %v", err, unix.ENETUNREACH)
		}
	}
	tr.stop()
	here := tr.all(func(r *told) bool { return r.Hold.NetNS == ns.Inode && r.Port != 0 })
	for _, got := range here {
		t.Errorf("port %d of %s by %q is invented, record type %d", got.Port, got.Proto, got.Path, got.Type)
	}
}
