package scenario

import (
	"encoding/json"
	"net/netip"
	"testing"

	"golang.org/x/sys/unix"

	"porttrace/internal/event"
	"porttrace/internal/lifetime"
	"porttrace/internal/testutil"
)

// made is what the job "make" has made.
type made struct{ Bound, UDP, Connected []netip.AddrPort }

// makeJob makes a crowd of sockets of each of three kinds, and tells their addresses.
func makeJob(t *testing.T) {
	addr := v4
	at := netip.AddrPortFrom(addr, serverPort)
	var m made
	socket := func(typ int) *sock {
		fd, err := unix.Socket(familyOf(addr), typ|unix.SOCK_CLOEXEC, 0)
		if err != nil {
			t.Fatal(err)
		}
		return &sock{t, nil, fd}
	}
	for range crowd {
		bound, udp, tcp := socket(unix.SOCK_STREAM), socket(unix.SOCK_DGRAM), socket(unix.SOCK_STREAM)
		bound.mustBind(netip.AddrPortFrom(addr, 0))
		udp.mustBind(netip.AddrPortFrom(addr, 0))
		tcp.mustConnect(at)
		m.Bound = append(m.Bound, bound.local())
		m.UDP = append(m.UDP, udp.local())
		m.Connected = append(m.Connected, tcp.local())
	}
	text, err := json.Marshal(m)
	if err != nil {
		t.Fatal(err)
	}
	tellParent(t, string(text))
}

// makes waits for the child's sockets and accepts its connections.
func (c *child) makes(p *site) (peers []*sock, wants []want) {
	c.t.Helper()
	var m made
	if err := json.Unmarshal([]byte(c.hear()), &m); err != nil {
		c.t.Fatal(err)
	}
	for i := range crowd {
		peers = append(peers, p.srv.accept())
		wants = append(wants,
			want{event.TCP, event.Bind, event.Bound, m.Bound[i], netip.AddrPort{}},
			want{event.UDP, event.Bind, event.Bound, m.UDP[i], netip.AddrPort{}},
			want{event.TCP, event.Connect, event.Established, m.Connected[i], p.at})
	}
	return peers, wants
}

func (c *child) checkOwns(holds []told) {
	c.t.Helper()
	for _, h := range holds {
		if h.Owner.PID != c.pid() || h.Owner.Comm != childComm {
			c.t.Errorf("%s: want owner %s/%d", describe(&h), childComm, c.pid())
		}
	}
}

// What SIGKILL takes away is released, and what goes on in the kernel has its owner.
func TestOwnerKilled(t *testing.T) {
	p := tcpSite(t, v4)
	reachable(t, p.ns) // FIN_WAIT2 to TIME_WAIT is often seen by looking only
	tr := start(t, withStates())
	c := startChild(t, p.ns, "make")
	peers, wants := c.makes(p)
	c.checkOwns(tr.wait(3*crowd, "assigns", in(p.ns, lifetime.Assign)))
	tr.truth(p.ns)
	checkHolds(t, tr.latest(p.ns), wants)
	c.kill()
	c.checkOwns(tr.wait(2*crowd, "releases", in(p.ns, lifetime.Release)))
	tr.truth(p.ns) // FIN_WAIT2 orphans
	for _, s := range peers {
		s.close()
	}
	tr.wait(crowd, "TIME_WAITs", func(r *told) bool {
		return in(p.ns, lifetime.State)(r) && r.Hold.State == event.TimeWait
	})
	tr.truth(p.ns)
	left := tr.latest(p.ns)
	if len(left) != crowd {
		t.Errorf("%d holds are left, want %d", len(left), crowd)
	}
	c.checkOwns(left)
}

// keepers are the ways a descriptor comes to another process.
var keepers = []struct {
	name string
	give func(t *testing.T, ns *testutil.NetNS, s *sock) *child
}{
	{"inherited", func(t *testing.T, ns *testutil.NetNS, s *sock) *child {
		c := startChild(t, ns, "keep", s)
		c.hear()
		return c
	}},
	{"passed", func(t *testing.T, ns *testutil.NetNS, s *sock) *child {
		c := startChild(t, ns, "receive")
		c.pass(s)
		c.hear()
		return c
	}},
}

// The hold lives until the last descriptor closes, and stays with who made it.
func TestDescriptorShared(t *testing.T) {
	all := start(t, withStates())
	for _, w := range []way{
		{"tcp bind", event.Bind, event.Bound, bindOnly, false},
		{"tcp connect", event.Connect, event.CloseWait, connectHalfClosed, false},
		{"udp send", event.UDPSend, event.Bound, udpSend, true},
		{"udp connect", event.UDPConnect, event.Established, udpConnect, true},
	} {
		for _, k := range keepers {
			t.Run(w.name+" "+k.name, func(t *testing.T) {
				lockThread(t)
				p, tr := tcpSite(t, v4), all.with(t)
				reachable(t, p.ns)
				c := w.open(p)
				wanted := wantOf(c, w.path, w.state)
				born := tr.one("assign", in(p.ns, lifetime.Assign))
				keeper := k.give(t, p.ns, c.sock)
				c.close()
				tr.mark(p)
				tr.wait(0, "releases", in(p.ns, lifetime.Release))
				tr.truth(p.ns)
				keeper.end()
				r := tr.one("release", in(p.ns, lifetime.Release))
				checkHolds(t, []told{r}, []want{wanted.ended()})
				checkOwners(t, []told{born, r}, me(t))
			})
		}
	}
}

// connectHalfClosed waits for the program to close, as a leaked connection does.
func connectHalfClosed(p *site) conn {
	c := connectBlocking(p)
	c.peer.close()
	c.awaitTCP(unix.BPF_TCP_CLOSE_WAIT)
	c.peer = nil
	return c
}

// ended is how the hold stands in its release.
func (w want) ended() want {
	if w.state == event.CloseWait {
		w.state = event.LastAck
	}
	return w
}
