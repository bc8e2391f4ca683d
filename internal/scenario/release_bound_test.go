package scenario

import (
	"net/netip"
	"testing"

	"golang.org/x/sys/unix"

	"porttrace/internal/event"
	"porttrace/internal/lifetime"
)

// Sockets that never connect: no table lists those that are only bound, so the release
// is checked against the call alone.
func TestReleaseUnconnected(t *testing.T) {
	t.Parallel()
	tr := start(t, everything())
	for _, tc := range []struct {
		name   string
		take   func(r *rig) []*subject
		path   event.Path
		end    func(c *subject)
		reason event.Reason
		spent  []event.State
	}{
		{"bound", func(r *rig) []*subject { return r.bindAll(0) }, event.Bind,
			(*subject).close, event.Closed, []event.State{event.Bound}},
		{"bound, disconnected and closed", func(r *rig) []*subject { return r.bindAll(0) }, event.Bind,
			func(c *subject) { c.disconnect(); c.close() }, event.Closed, []event.State{event.Bound}},
		{"listen", listenAll, event.Listen,
			(*subject).close, event.Closed, []event.State{event.Listening}},
		{"listen, shut down", listenAll, event.Listen,
			func(c *subject) { c.shutdown(unix.SHUT_RD) }, event.Disconnected, []event.State{event.Listening}},
		{"bind and listen", bindListenAll, event.Bind,
			(*subject).close, event.Closed, []event.State{event.Bound, event.Listening}},
		{"bind and listen, shut down", bindListenAll, event.Bind,
			func(c *subject) { c.shutdown(unix.SHUT_RDWR) }, event.Disconnected, []event.State{event.Bound, event.Listening}},
	} {
		t.Run(tc.name, func(t *testing.T) {
			families(t, func(t *testing.T, addr netip.Addr) {
				r := newRig(t, tr, addr)
				conns := tc.take(r)
				for _, c := range conns {
					r.checkAssigned(c, tc.path)
				}
				r.end(conns, tc.end)
				r.checkReleased(conns, expected{tc.path, tc.reason, tc.spent})
				for _, c := range conns {
					r.checkFree(c)
				}
			})
		})
	}
}

// listenAll lets the kernel choose the ports in listen().
func listenAll(r *rig) []*subject {
	r.t.Helper()
	listeners := make([]*subject, crowd)
	for i := range listeners {
		c := r.client()
		listeners[i] = r.took(c, c.listen)
	}
	return listeners
}

func bindListenAll(r *rig) []*subject {
	r.t.Helper()
	listeners := r.bindAll(0)
	for _, c := range listeners {
		c.listen()
	}
	return listeners
}

// A listener's hold ends with the listener, whatever its children do.
func TestReleaseListenerBeforeChildren(t *testing.T) {
	t.Parallel()
	tr := start(t, everything())
	families(t, func(t *testing.T, addr netip.Addr) {
		r := newRig(t, tr, addr)
		listeners := bindListenAll(r)
		for _, l := range listeners {
			caller := tcpSock(t, r.ns, addr)
			caller.mustConnect(l.src)
			l.accept()
		}
		r.end(listeners, (*subject).close)
		closed := r.now()
		ends := r.checkEnds(listeners, closed, expected{event.Bind, event.Closed, []event.State{event.Bound, event.Listening}})
		for _, got := range ends {
			if got.Dst.IsValid() {
				t.Errorf("port %d: a listener with a destination: %s", got.Port, got.Dst)
			}
		}
		r.wait(2*crowd, "assigns: listeners and callers", lifetime.Assign)
		if left := r.table(listeners); len(left) != crowd {
			t.Errorf("%d children in the kernel's table, want %d", len(left), crowd)
		}
	})
}

// A listener that was shut down may listen again, on another port.
func TestReleaseListenAgain(t *testing.T) {
	t.Parallel()
	tr := start(t, everything())
	families(t, func(t *testing.T, addr netip.Addr) {
		r := newRig(t, tr, addr)
		c := r.client()
		for range crowd {
			c.listen()
			c.shutdown(unix.SHUT_RD)
		}
		r.wantReleases(crowd, event.Listen, event.Disconnected)
	})
}

// Every descriptor of a socket must be closed.
func TestReleaseDup(t *testing.T) {
	t.Parallel()
	tr := start(t, everything())
	families(t, func(t *testing.T, addr netip.Addr) {
		r := newRig(t, tr, addr)
		conns := r.open()
		others := make([]*sock, crowd)
		for i, c := range conns {
			fd, err := unix.FcntlInt(uintptr(c.fd), unix.F_DUPFD_CLOEXEC, 0)
			if err != nil {
				t.Fatalf("dup: %v", err)
			}
			others[i] = &sock{t, r.ns, fd}
			t.Cleanup(others[i].close)
			c.resetOnClose()
			c.close()
		}
		r.checkHeld(conns, event.Connect, event.Established)
		for i, c := range conns {
			c.ended = r.now()
			others[i].close()
		}
		r.checkReleased(conns, expected{event.Connect, event.Reset, []event.State{event.SynSent, event.Established}})
	})
}
