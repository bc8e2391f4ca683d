package scenario

import (
	"os"
	"sync/atomic"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"porttrace/internal/ktime"
	"porttrace/internal/lifetime"
	"porttrace/internal/testutil"
)

// ownMachine is set where the machine is nobody else's: in guests of internal/vm. Its clock
// may be set, and it may be suspended.
const ownMachine = "PORTTRACE_TEST_OWN_MACHINE"

// A clock that is set moves what records say, and no duration: forward and back, for holds
// that are in the middle of it. The clock is one that only the tracer sees, or the
// machine's where that may be set.
func TestClockSteps(t *testing.T) {
	t.Run("the tracer's", func(t *testing.T) {
		var ahead atomic.Int64
		clockSteps(t, func(c *ktime.Clock) {
			*c = *ktime.NewClockOf(func() ktime.Reading {
				at := ktime.Now()
				return ktime.Reading{Boot: at, Wall: ktime.Wall(at) + ktime.Wall(ahead.Load())}
			})
		}, func(by time.Duration) { ahead.Add(int64(by)) })
	})
	if os.Getenv(ownMachine) != "1" { // only guests say so: a host's clock is not ours
		return
	}
	t.Run("the machine's", func(t *testing.T) {
		clockSteps(t, func(*ktime.Clock) {}, func(by time.Duration) {
			now := unix.NsecToTimeval(time.Now().Add(by).UnixNano())
			if err := unix.Settimeofday(&now); err != nil {
				t.Fatalf("setting the clock: %v", err)
			}
		})
	})
}

func clockSteps(t *testing.T, prepare func(*ktime.Clock), set func(by time.Duration)) {
	tr := attach(t, everything())
	prepare(tr.clock)
	tr.run(tr.source, tr.keep)
	ns := testutil.NewNetNS(t)
	srv, at := server(t, ns, v4)
	here := func(typ lifetime.Type, id uint64) func(*told) bool {
		return func(r *told) bool { return r.Type == typ && r.Hold.NetNS == ns.Inode && (id == 0 || r.ID == id) }
	}
	all := 0
	connect := func() (*sock, *sock, told) {
		c := tcpSock(t, ns, v4)
		c.mustConnect(at)
		all++
		assigns := tr.wait(all, "an assign", here(lifetime.Assign, 0))
		return c, srv.accept(), assigns[all-1]
	}
	for i, by := range []time.Duration{time.Hour, -time.Hour, -time.Hour, time.Hour} {
		c, peer, before := connect()
		set(by)
		step := tr.wait(i+1, "a clock record", func(r *told) bool { return r.Type == lifetime.Clock })[i]
		// The machine's takes some microseconds to be read and set.
		if off := step.Time.Sub(step.Clock.From) - by; off.Abs() > time.Second {
			t.Errorf("set by %v, told %v", by, step.Time.Sub(step.Clock.From))
		}
		by = step.Time.Sub(step.Clock.From)
		later, laterPeer, after := connect()
		if passed := after.Time.Sub(before.Time) - by; passed < 0 || passed > patience {
			t.Errorf("set by %v, and %v passed between two assigns", by, passed)
		}
		for _, end := range []struct {
			c, peer *sock
			begun   told
			moved   time.Duration
		}{{c, peer, before, by}, {later, laterPeer, after, 0}} {
			end.c.resetOnClose()
			end.c.close()
			end.peer.close()
			release := tr.wait(1, "a release", here(lifetime.Release, end.begun.ID))[0]
			if got := release.Assigned.Sub(end.begun.Assigned); got != end.moved {
				t.Errorf("the release was assigned %v later than the assign, want %v", got, end.moved)
			}
			if held := release.Time.Sub(release.Assigned); held < 0 || held != release.HeldFor() {
				t.Errorf("held from %v to %v, %v, and its states for %v", release.Assigned.Time(), release.Time.Time(), held, release.HeldFor())
			}
		}
	}
	tr.stop()
}
