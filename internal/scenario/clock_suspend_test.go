package scenario

import (
	"bytes"
	"os"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"porttrace/internal/lifetime"
	"porttrace/internal/testutil/need"
)

// The file's name has it run before tests that wait for a minute of TIME_WAIT from their
// beginning on: time asleep comes on top of that.
//
// A hold lasts on while the machine is suspended: its times and those of its states count
// that, the clock was not set, and nothing is put right afterwards. Mini-sockets that were
// in TIME_WAIT by then, which no hook may have seen, were so for all of it.
func TestSuspend(t *testing.T) {
	if os.Getenv(ownMachine) != "1" {
		return
	}
	ways, err := os.ReadFile("/sys/power/mem_sleep")
	if err == nil {
		_, err = os.Stat(wakeAlarm)
	}
	need.That(t, err == nil && bytes.Contains(ways, []byte("deep")), "suspend to memory")
	tr := start(t, everything())
	r := newRig(t, tr, v4)
	c := tcpSock(t, r.ns, v4)
	c.mustConnect(r.at)
	peer := r.srv.accept()
	before := tr.wait(1, "an assign", in(r.ns, lifetime.Assign))[0]
	waiting := newRig(t, tr, v4)
	conns := latePeers(waiting)
	slept := suspend(t)
	next := tcpSock(t, r.ns, v4)
	next.mustConnect(r.at)
	after := tr.wait(2, "assigns", in(r.ns, lifetime.Assign))[1]
	if passed := after.Time.Sub(before.Time); passed < slept || passed > slept+patience {
		t.Errorf("%v passed between two assigns, with a sleep of %v between", passed, slept)
	}
	peer.close()
	c.awaitTCP(unix.BPF_TCP_CLOSE_WAIT)
	c.close()
	release := tr.wait(1, "a release", in(r.ns, lifetime.Release))[0]
	var states time.Duration
	for _, d := range release.Hold.States {
		states += d
	}
	if held := release.Time.Sub(release.Assigned); held < slept || held != states || held != release.HeldFor() {
		t.Errorf("held for %v, %v, and its states for %v, %v of it asleep", held, release.HeldFor(), states, slept)
	}
	tr.stop()
	for _, c := range conns {
		held := waiting.one("held", lifetime.HeldAtEnd, bySubject(c))
		waiting.checkFinWait2(c, &held)
	}
	if steps := tr.all(func(r *told) bool { return r.Type == lifetime.Clock }); len(steps) != 0 {
		t.Errorf("%d clock records, and the clock was not set", len(steps))
	}
}

const wakeAlarm = "/sys/class/rtc/rtc0/wakealarm"

// suspend has the machine sleep for some seconds, and returns how long it did.
func suspend(t *testing.T) time.Duration {
	t.Helper()
	before := asleep(t)
	for _, write := range []struct{ file, text string }{{wakeAlarm, "+10"}, {"/sys/power/state", "mem"}} {
		if err := os.WriteFile(write.file, []byte(write.text), 0); err != nil {
			t.Fatalf("suspending: %v", err)
		}
	}
	slept := asleep(t) - before
	if slept < time.Second {
		t.Fatalf("the machine slept for %v", slept)
	}
	return slept
}

// asleep is how long the machine has slept since it began: CLOCK_MONOTONIC leaves it out.
func asleep(t *testing.T) time.Duration {
	t.Helper()
	var boot, monotonic unix.Timespec
	for clock, at := range map[int32]*unix.Timespec{unix.CLOCK_BOOTTIME: &boot, unix.CLOCK_MONOTONIC: &monotonic} {
		if err := unix.ClockGettime(clock, at); err != nil {
			t.Fatal(err)
		}
	}
	return time.Duration(boot.Nano() - monotonic.Nano())
}
