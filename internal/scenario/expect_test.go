package scenario

import (
	"net/netip"
	"slices"
	"time"

	"porttrace/internal/event"
	"porttrace/internal/ktime"
	"porttrace/internal/lifetime"
)

// blur is how far clocks and events may be apart that are one instant; moment is how
// much later than the kernel's table a release may be on a machine that has no time.
const (
	blur   = 20 * time.Millisecond
	moment = 500 * time.Millisecond
)

// expected is how a hold should have ended.
type expected struct {
	path   event.Path
	reason event.Reason
	spent  []event.State // in these there was time, in no other
}

func bySubject(c *subject) func(*told) bool {
	return func(r *told) bool { return r.Proto == c.proto && r.Port == c.src.Port() && r.Src == c.src.Addr() }
}

func byDst(dst netip.AddrPort) func(*told) bool {
	return func(r *told) bool { return r.Dst == dst }
}

// checkAssigned checks that a socket's port was told once, when it was taken and by us.
func (r *rig) checkAssigned(c *subject, path event.Path) told {
	r.t.Helper()
	got := r.one("assign", lifetime.Assign, bySubject(c))
	if got.Path != path || !isOwn(got.Owner) {
		r.t.Errorf("port %d: path %q by %+v, want %q and this process", got.Port, got.Path, got.Owner, path)
	}
	if path == event.Connect && got.Dst != c.dst {
		r.t.Errorf("port %d: destination %s, want %s", got.Port, got.Dst, c.dst)
	}
	if got.Assigned < c.called-ktime.Wall(blur) || got.Assigned > c.returned+ktime.Wall(blur) {
		r.t.Errorf("port %d: assigned %v after the call began, %v after it returned",
			got.Port, got.Assigned.Sub(c.called), got.Assigned.Sub(c.returned))
	}
	return got
}

// checkReleased checks that every port was told as released, once, for the right
// reason, after the right states, and when the kernel's table lost it.
func (r *rig) checkReleased(conns []*subject, want expected) []told {
	r.t.Helper()
	gone := r.awaitGone(conns)
	return r.checkEnds(conns, gone, want)
}

// checkEnds is checkReleased for sockets that no table lists, gone by a time.
func (r *rig) checkEnds(conns []*subject, gone ktime.Wall, want expected) []told {
	r.t.Helper()
	ends := make([]told, len(conns))
	for i, c := range conns {
		assigned := r.checkAssigned(c, want.path)
		ends[i] = r.one("release", lifetime.Release, bySubject(c))
		got := &ends[i]
		if got.ID != assigned.ID || got.Owner != assigned.Owner {
			r.t.Errorf("port %d: assigned as hold %d of %+v, released as %d of %+v",
				got.Port, assigned.ID, assigned.Owner, got.ID, got.Owner)
		}
		if got.Reason != want.reason {
			r.t.Errorf("port %d: reason %q, want %q", got.Port, got.Reason, want.reason)
		}
		r.checkStates(got, want.spent)
		r.checkEndedAt(got, max(c.returned, c.ended, r.last[c.src]), gone)
		if r.t.Failed() {
			r.t.Fatalf("first of %d\n%s", len(conns), r.dump())
		}
	}
	return ends
}

// checkStates checks where the time went. That it adds up, every trace checks.
func (r *rig) checkStates(got *told, spent []event.State) {
	r.t.Helper()
	for state, d := range got.States {
		if is := slices.Contains(spent, event.State(state)); is != (d > 0) {
			r.t.Errorf("port %d: %v in %s, want some in %v only", got.Port, d, event.State(state), spent)
		}
	}
	if got.HeldFor() != got.Time.Sub(got.Assigned) {
		r.t.Errorf("port %d: states %v do not add up to %v", got.Port, got.States, got.Time.Sub(got.Assigned))
	}
}

// checkEndedAt checks a release against the last look that found the socket and the
// first that did not.
func (r *rig) checkEndedAt(got *told, seen, gone ktime.Wall) {
	r.t.Helper()
	if got.Time < seen-ktime.Wall(blur) {
		r.t.Errorf("port %d: released %v before it was gone", got.Port, seen.Sub(got.Time))
	}
	if got.Time > gone+ktime.Wall(moment) {
		r.t.Errorf("port %d: released %v after it was gone", got.Port, got.Time.Sub(gone))
	}
}

// checkSpent checks the time in one state.
func (r *rig) checkSpent(got *told, state event.State, least, most time.Duration) {
	r.t.Helper()
	if d := got.States[state]; d < least-blur || d > most+blur {
		r.t.Errorf("port %d: %v in %s, want %v to %v", got.Port, d, state, least, most)
	}
}

// wantReleases checks that so many holds began and ended, all of one path and for one
// reason.
func (r *rig) wantReleases(n int, path event.Path, reason event.Reason) {
	r.t.Helper()
	r.wait(n, "assigns", lifetime.Assign)
	for _, got := range r.wait(n, "releases", lifetime.Release) {
		if got.Path != path || got.Reason != reason || !isOwn(got.Owner) {
			r.t.Errorf("port %d: path %q, reason %q by %+v, want %q, %q and this process",
				got.Port, got.Path, got.Reason, got.Owner, path, reason)
		}
	}
}
