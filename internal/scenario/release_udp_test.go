package scenario

import (
	"net/netip"
	"slices"
	"testing"

	"golang.org/x/sys/unix"

	"porttrace/internal/event"
	"porttrace/internal/lifetime"
)

// udpTakes are the ways a UDP socket gets a port from the kernel.
var udpTakes = []struct {
	name  string
	path  event.Path
	take  func(c *subject, to netip.AddrPort)
	state event.State
}{
	{"bind", event.Bind, func(c *subject, to netip.AddrPort) { c.mustBind(netip.AddrPortFrom(to.Addr(), 0)) }, event.Bound},
	{"connect", event.UDPConnect, func(c *subject, to netip.AddrPort) { c.mustConnect(to) }, event.Established},
	{"send", event.UDPSend, func(c *subject, to netip.AddrPort) { c.mustSend(to) }, event.Bound},
}

func (s *sock) mustSend(to netip.AddrPort) {
	s.t.Helper()
	if err := unix.Sendto(s.fd, []byte("x"), 0, sockaddr(to)); err != nil {
		s.t.Fatalf("sendto %s: %v", to, err)
	}
}

// receiver replaces the rig's server by a UDP one.
func (r *rig) receiver() {
	r.t.Helper()
	s := udpSock(r.t, r.ns, r.addr)
	s.mustBind(r.at)
}

func (r *rig) takeUDP(take func(c *subject, to netip.AddrPort)) []*subject {
	r.t.Helper()
	r.receiver()
	socks := make([]*subject, crowd)
	for i := range socks {
		c := &subject{sock: udpSock(r.t, r.ns, r.addr), proto: event.UDP, dst: r.at}
		socks[i] = r.took(c, func() { take(c, r.at) })
	}
	return socks
}

func TestReleaseUDP(t *testing.T) {
	t.Parallel()
	tr := start(t, everything())
	for _, way := range udpTakes {
		t.Run(way.name, func(t *testing.T) {
			families(t, func(t *testing.T, addr netip.Addr) {
				r := newRig(t, tr, addr)
				socks := r.takeUDP(way.take)
				if way.path == event.UDPSend { // the address stays the wildcard
					for _, c := range socks {
						c.src = c.local()
					}
				}
				if n := len(r.table(socks)); n != crowd {
					t.Fatalf("%d in the kernel's table, want %d", n, crowd)
				}
				r.end(socks, (*subject).close)
				gone := r.awaitGone(socks)
				r.wait(crowd, "assigns", lifetime.Assign, byPath(way.path))
				for _, c := range socks {
					got := r.one("release", lifetime.Release, byPort(c.src.Port()))
					if got.Reason != event.Closed || got.Hold.State != way.state || !isOwn(got.Owner) {
						t.Errorf("port %d: reason %q in %s, want %q in %s", got.Port, got.Reason, got.Hold.State, event.Closed, way.state)
					}
					r.checkEndedAt(&got, c.ended, gone)
				}
			})
		})
	}
}

// connect(AF_UNSPEC) puts the port back at once. The stable set sees it at the next
// call on the socket; it must see it, and what that call takes is another hold.
func TestReleaseUDPDisconnected(t *testing.T) {
	t.Parallel()
	tr := start(t, everything())
	for _, way := range udpTakes {
		for _, next := range udpTakes {
			t.Run(way.name+" then "+next.name, func(t *testing.T) {
				families(t, func(t *testing.T, addr netip.Addr) {
					r := newRig(t, tr, addr)
					socks := r.takeUDP(way.take)
					r.wait(crowd, "assigns", lifetime.Assign, byPath(way.path))
					for _, c := range socks {
						c.disconnect()
						if n := c.local().Port(); n != 0 {
							t.Fatalf("port %d after AF_UNSPEC", n)
						}
						next.take(c, r.at)
					}
					second := map[uint16]bool{}
					for _, c := range socks {
						second[c.local().Port()] = true
						c.close()
					}
					r.checkTwoHolds(socks, second, way.path, next.path)
				})
			})
		}
		t.Run(way.name+" then close", func(t *testing.T) {
			families(t, func(t *testing.T, addr netip.Addr) {
				r := newRig(t, tr, addr)
				socks := r.takeUDP(way.take)
				r.wait(crowd, "assigns", lifetime.Assign, byPath(way.path))
				for _, c := range socks {
					c.disconnect()
					c.close()
				}
				r.wantReleases(crowd, way.path, event.Disconnected)
			})
		})
	}
}

// checkTwoHolds checks that each socket had one port, lost it to AF_UNSPEC, and had
// another until it was closed.
func (r *rig) checkTwoHolds(socks []*subject, second map[uint16]bool, path, next event.Path) {
	r.t.Helper()
	r.flush()
	isUDP := byProto(event.UDP)
	told := []int{len(r.tr.all(r.in(lifetime.Assign, isUDP))), len(r.tr.all(r.in(lifetime.Release, isUDP)))}
	if told[0] != 2*crowd || told[1] != 2*crowd {
		r.t.Fatalf("%d assigns and %d releases, want %d each\n%s", told[0], told[1], 2*crowd, r.dump())
	}
	first := map[uint16]bool{}
	for _, c := range socks {
		first[c.src.Port()] = true
	}
	for _, got := range r.wait(crowd, "releases by AF_UNSPEC", lifetime.Release, byReason(event.Disconnected)) {
		if !first[got.Port] || got.Path != path {
			r.t.Errorf("port %d by %q ended by AF_UNSPEC", got.Port, got.Path)
		}
	}
	for _, got := range r.wait(crowd, "releases by close", lifetime.Release, byReason(event.Closed), isUDP) {
		if !second[got.Port] || got.Path != next {
			r.t.Errorf("port %d by %q ended by close", got.Port, got.Path)
		}
	}
}

// getaddrinfo() sorts addresses so: connect, getsockname, AF_UNSPEC, connect. None is
// missed, though all is over before anybody can look, and none is a failure.
func TestReleaseUDPDisconnectedAtOnce(t *testing.T) {
	t.Parallel()
	tr := start(t, everything())
	families(t, func(t *testing.T, addr netip.Addr) {
		r := newRig(t, tr, addr)
		r.receiver()
		var first, last []uint16
		for range crowd {
			c := udpSock(t, r.ns, addr)
			c.mustConnect(r.at)
			first = append(first, c.local().Port())
			c.disconnect()
			c.mustConnect(r.at)
			last = append(last, c.local().Port())
			c.close()
			c = udpSock(t, r.ns, addr)
			c.mustConnect(r.at)
			first = append(first, c.local().Port())
			c.disconnect()
			c.close()
		}
		r.flush()
		if failures := r.tr.all(r.in(lifetime.Failure)); len(failures) != 0 {
			t.Errorf("%d failures where none was, as %+v", len(failures), *failures[0].Failure)
		}
		for reason, ports := range map[event.Reason][]uint16{event.Disconnected: first, event.Closed: last} {
			ends := r.tr.all(r.in(lifetime.Release, byReason(reason), byPath(event.UDPConnect)))
			var got []uint16
			for _, end := range ends {
				got = append(got, end.Port)
			}
			slices.Sort(got)
			slices.Sort(ports)
			if !slices.Equal(got, ports) {
				t.Errorf("%s: ports %v, want %v", reason, got, ports)
			}
		}
	})
}
