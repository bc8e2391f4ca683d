package scenario

import (
	"net/netip"
	"testing"

	"porttrace/internal/event"
	"porttrace/internal/lifetime"
	"porttrace/internal/probe"
)

// What comes and goes between two looks is seen by hooks in the kernel's own functions, and
// the stable set misses it (README); neither invents anything.
func TestWhatNoLookCanSee(t *testing.T) {
	tr := start(t, everything())
	exact := tr.probe.Hooks() == probe.Fentry
	families(t, func(t *testing.T, addr netip.Addr) {
		r := newRig(t, tr, addr)
		r.receiver()
		for range crowd {
			s := udpSock(t, r.ns, addr)
			s.mustConnect(r.at)
			s.disconnect()
			s.close()
		}
		// one more that is certain to be told, and told last
		last := udpSock(t, r.ns, addr)
		last.mustBind(netip.AddrPortFrom(addr, 0))
		r.one("bind", lifetime.Assign, byPath(event.Bind))

		took := func(got *told) bool { return got.Path == event.UDPConnect && got.Dst == r.at }
		if exact {
			r.wait(crowd, "connect", lifetime.Assign, took, func(got *told) bool { return got.Search >= 0 && isOwn(got.Owner) })
			r.wait(crowd, "connect to AF_UNSPEC", lifetime.Release, took, func(got *told) bool { return got.Reason == event.Disconnected })
			return
		}
		assigned := len(tr.all(r.in(lifetime.Assign, byPath(event.UDPConnect))))
		if released := len(tr.all(r.in(lifetime.Release, byPath(event.UDPConnect)))); assigned > crowd || released != assigned {
			t.Errorf("of %d ports %d assignments and %d releases", crowd, assigned, released)
		}
	})
}

// The search is timed wherever it is seen to begin and to end, on one CPU.
func TestSearchesAreTimed(t *testing.T) {
	tr := start(t, everything())
	paths := map[string]func(*rig) *sock{
		"connect": func(r *rig) *sock { s := tcpSock(r.t, r.ns, r.addr); s.mustConnect(r.at); return s },
		"bind": func(r *rig) *sock {
			s := tcpSock(r.t, r.ns, r.addr)
			s.mustBind(netip.AddrPortFrom(r.addr, 0))
			return s
		},
		"listen": func(r *rig) *sock { s := tcpSock(r.t, r.ns, r.addr); s.listen(); return s },
		"UDP": func(r *rig) *sock {
			s := udpSock(r.t, r.ns, r.addr)
			s.mustBind(netip.AddrPortFrom(r.addr, 0))
			return s
		},
	}
	for name, take := range paths {
		t.Run(name, func(t *testing.T) {
			r := newRig(t, tr, v4)
			if name == "listen" && tr.probe.Hooks() != probe.Fentry {
				checkUntimed(r, take)
				return
			}
			// one that moved to another CPU in between is not measured; not all do
			timed := func(got *told) bool { return got.Search > 0 && got.Search < patience }
			for n := 1; ; n++ {
				take(r)
				r.wait(n, name, lifetime.Assign)
				if len(tr.all(r.in(lifetime.Assign, timed))) > 0 {
					return
				}
				if n == crowd {
					t.Fatalf("none of %d searches is timed\n%s", n, r.dump())
				}
			}
		})
	}
}

// checkUntimed is for a search whose beginning the hooks do not see: nothing is made up.
func checkUntimed(r *rig, take func(*rig) *sock) {
	r.t.Helper()
	for range crowd {
		take(r)
	}
	for _, got := range r.wait(crowd, "assigns", lifetime.Assign) {
		if got.Search >= 0 {
			r.t.Errorf("port %d: a search of %v that nobody saw", got.Port, got.Search)
		}
	}
}
