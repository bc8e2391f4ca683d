package scenario

import (
	"net/netip"
	"testing"

	"golang.org/x/sys/unix"

	"porttrace/internal/event"
)

// endings are the ways an established connection loses its port without TIME_WAIT.
var endings = []struct {
	name    string
	prepare func(c *subject)
	held    event.State // before the end
	end     func(c *subject)
	reason  event.Reason
	spent   []event.State // beside SYN_SENT and ESTABLISHED
	open    bool          // the descriptor is open when the port is free
}{
	{
		name: "own RST: SO_LINGER 0",
		held: event.Established,
		end:  func(c *subject) { c.resetOnClose(); c.close() }, reason: event.Reset,
	},
	{
		name:    "own RST: unread data",
		prepare: func(c *subject) { c.peer.send("unread"); c.awaitInput() },
		held:    event.Established,
		end:     (*subject).close, reason: event.Reset,
	},
	{
		name: "RST by the peer",
		held: event.Established,
		end:  func(c *subject) { c.peer.resetOnClose(); c.peer.close() }, reason: event.Reset,
		open: true,
	},
	{
		name:    "RST by the peer in CLOSE_WAIT",
		prepare: func(c *subject) { c.peer.shutdown(unix.SHUT_WR) },
		held:    event.CloseWait,
		end:     func(c *subject) { c.peer.resetOnClose(); c.peer.close() }, reason: event.Reset,
		spent: []event.State{event.CloseWait},
		open:  true,
	},
	{
		name:    "own RST in CLOSE_WAIT",
		prepare: func(c *subject) { c.peer.shutdown(unix.SHUT_WR) },
		held:    event.CloseWait,
		end:     func(c *subject) { c.resetOnClose(); c.close() }, reason: event.Reset,
		spent: []event.State{event.CloseWait},
	},
	{
		name:    "the peer closes first",
		prepare: func(c *subject) { c.peer.close() },
		held:    event.CloseWait,
		end:     (*subject).close, reason: event.Closed,
		spent: []event.State{event.CloseWait, event.LastAck},
	},
	{
		name:    "the peer closes first, half-close",
		prepare: func(c *subject) { c.peer.close() },
		held:    event.CloseWait,
		end:     func(c *subject) { c.shutdown(unix.SHUT_WR) }, reason: event.Closed,
		spent: []event.State{event.CloseWait, event.LastAck},
		open:  true,
	},
	{
		name:    "RST by the peer in FIN_WAIT2",
		prepare: func(c *subject) { c.shutdown(unix.SHUT_WR) },
		held:    event.FinWait2,
		end:     func(c *subject) { c.peer.resetOnClose(); c.peer.close() }, reason: event.Reset,
		spent: []event.State{event.FinWait1, event.FinWait2},
		open:  true,
	},
	{
		name:    "RST by the peer in FIN_WAIT1",
		prepare: func(c *subject) { c.peer.deafen(); c.shutdown(unix.SHUT_WR) },
		held:    event.FinWait1,
		end:     func(c *subject) { c.peer.resetOnClose(); c.peer.close() }, reason: event.Reset,
		spent: []event.State{event.FinWait1},
		open:  true,
	},
	{
		name: "disconnected",
		held: event.Established,
		end:  func(c *subject) { c.disconnect() }, reason: event.Disconnected,
		open: true,
	},
	{
		name: "TCP_USER_TIMEOUT",
		prepare: func(c *subject) {
			c.set(unix.IPPROTO_TCP, unix.TCP_USER_TIMEOUT, 300)
			c.peer.deafen()
		},
		held: event.Established,
		end:  func(c *subject) { c.send("nobody hears") }, reason: event.TimedOut,
		open: true,
	},
	{
		name: "TCP_USER_TIMEOUT of an orphan",
		prepare: func(c *subject) {
			c.set(unix.IPPROTO_TCP, unix.TCP_USER_TIMEOUT, 300)
			c.peer.deafen()
		},
		held: event.Established,
		end:  (*subject).close, reason: event.TimedOut,
		spent: []event.State{event.FinWait1},
	},
}

func TestReleaseEstablished(t *testing.T) {
	t.Parallel()
	tr := start(t, everything())
	for _, tc := range endings {
		t.Run(tc.name, func(t *testing.T) {
			families(t, func(t *testing.T, addr netip.Addr) {
				r := newRig(t, tr, addr)
				conns := r.open()
				if tc.prepare != nil {
					for _, c := range conns {
						tc.prepare(c)
					}
				}
				r.checkHeld(conns, event.Connect, tc.held)
				r.end(conns, tc.end)
				r.checkReleased(conns, expected{
					path:   event.Connect,
					reason: tc.reason,
					spent:  append([]event.State{event.SynSent, event.Established}, tc.spent...),
				})
				for _, c := range conns {
					r.checkFree(c)
					if tc.open != (c.fd >= 0) {
						t.Fatalf("the descriptor is open: %v, want %v", c.fd >= 0, tc.open)
					}
				}
			})
		})
	}
}

// checkFree checks that another socket can have the port.
func (r *rig) checkFree(c *subject) {
	r.t.Helper()
	other := tcpSock(r.t, r.ns, r.addr)
	if err := other.bind(c.src); err != nil {
		r.t.Errorf("port %d is told as released, and yet bind() says: %v", c.src.Port(), err)
	}
	other.close()
}

// A socket may have one port after the other; each is a hold of its own.
func TestReleaseReconnect(t *testing.T) {
	t.Parallel()
	tr := start(t, everything())
	families(t, func(t *testing.T, addr netip.Addr) {
		r := newRig(t, tr, addr)
		c := r.client()
		for range crowd {
			c.mustConnect(r.at)
			peer := r.srv.accept()
			c.disconnect()
			peer.close()
		}
		r.wantReleases(crowd, event.Connect, event.Disconnected)
	})
}
