package scenario

import (
	"net/netip"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"porttrace/internal/event"
	"porttrace/internal/ktime"
)

// timeWait is how long TIME_WAIT lasts; the timer wheel adds up to an eighth
// (kernel/time/timer.c).
const (
	timeWait    = 60 * time.Second
	timeWaitMax = timeWait + timeWait/8
)

// expiry is a way into a TIME_WAIT that nothing ends but time.
type expiry struct {
	name  string
	path  event.Path
	spent []event.State
	rest  func(r *rig) []*subject
	late  time.Duration // how long the peer stays open
	more  time.Duration // how much longer it takes at least
}

var expiries = []expiry{
	{"connect", event.Connect, throughTimeWait, func(r *rig) []*subject {
		conns := r.open()
		r.rest(conns)
		return conns
	}, 0, 0},
	{"bind", event.Bind, append(throughTimeWait[:5:5], event.Bound), func(r *rig) []*subject {
		conns := r.connectAll(r.bindAll(0))
		r.rest(conns)
		return conns
	}, 0, 0},
	{"explicit", event.Explicit, append(throughTimeWait[:5:5], event.Bound), func(r *rig) []*subject {
		conns := r.connectAll(r.bindAll(20000))
		r.rest(conns)
		return conns
	}, 0, 0},
	{"the descriptor stays open", event.Connect, throughTimeWait, func(r *rig) []*subject {
		conns := r.open()
		r.end(conns, func(c *subject) { c.shutdown(unix.SHUT_WR) })
		r.await(conns, event.FinWait2) // two FINs on their way would make it CLOSING
		r.closePeers(conns)
		r.await(conns, event.TimeWait)
		return conns
	}, 0, 0},
	{"a FIN again", event.Connect, throughTimeWait, finAgain, 0, time.Second},
	{"the peer closes at once", event.Connect, throughTimeWait, latePeers, 0, 0},
	{"the peer closes late", event.Connect, throughTimeWait, latePeers, 3100 * time.Millisecond, 0},
}

func latePeers(r *rig) []*subject {
	conns := r.orphan()
	r.closePeers(conns)
	r.await(conns, event.TimeWait)
	return conns
}

// finAgain is a TIME_WAIT that starts anew with each FIN that comes.
func finAgain(r *rig) []*subject {
	conns := r.open()
	r.restUnheard(conns)
	return conns
}

// The minute of TIME_WAIT begins before the parallel tests do.
func TestReleaseTimeWaitExpired(t *testing.T) {
	options := everything()
	options.Explicit = true
	tr := start(t, options)
	rigs, all := make([]*rig, 0, 2*len(expiries)), make([][]*subject, 0, 2*len(expiries))
	for _, e := range expiries {
		for _, addr := range []netip.Addr{v4, v6} {
			r := newRig(t, tr, addr)
			r.late = e.late
			rigs, all = append(rigs, r), append(all, e.rest(r))
		}
	}
	watched := make(chan []ktime.Wall)
	go func() { watched <- awaitExpired(t, rigs, all) }()
	t.Parallel()
	gone := <-watched
	if t.Failed() {
		return
	}
	for i, r := range rigs {
		e := expiries[i/2]
		t.Run(e.name, func(t *testing.T) {
			r.t = t
			ends := r.checkEnds(all[i], gone[i], expected{e.path, event.TimeWaitExpired, e.spent})
			for j, got := range ends {
				r.checkExpiry(all[i][j], &got, e.more)
			}
		})
	}
}

// awaitExpired watches the kernel's tables and returns when each had lost all.
func awaitExpired(t *testing.T, rigs []*rig, all [][]*subject) []ktime.Wall {
	t.Helper()
	gone := make([]ktime.Wall, len(rigs))
	deadline := time.Now().Add(timeWaitMax + patience)
	for left := len(rigs); left > 0; time.Sleep(50 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Errorf("TIME_WAIT of %d scenarios does not end", left)
			break
		}
		for i, r := range rigs {
			if gone[i] == 0 && len(r.table(all[i])) == 0 {
				gone[i] = r.now()
				left--
			}
		}
	}
	return gone
}

func (r *rig) checkExpiry(c *subject, got *told, least time.Duration) {
	r.t.Helper()
	if least == 0 && c.peerEnded[1] != 0 { // a FIN again hides the first one from old kernels
		r.checkFinWait2(c, got)
	}
	r.checkSpent(got, event.TimeWait, timeWait+least, timeWaitMax+5*least+moment)
}
