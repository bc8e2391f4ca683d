package live

import (
	"testing"
	"time"

	"porttrace/internal/event"
	"porttrace/internal/ktime"
)

const began = ktime.Time(1_000_000_000_000)

func in(d time.Duration) ktime.Time { return began.Add(d) }

func pending(netns, tid uint32, at ktime.Time) *event.Event {
	return &event.Event{Kind: event.Pending, Time: at, Hold: event.Hold{
		NetNS: netns, Proto: event.UDP, Path: event.UDPConnect, Owner: event.Owner{TID: tid},
	}}
}

func enteredFinWait2(netns uint32, at ktime.Time) *event.Event {
	return &event.Event{Kind: event.Entered, Time: at, Hold: event.Hold{NetNS: netns, Proto: event.TCP, State: event.FinWait2}}
}

// looks returns when places come due while time passes as the source lets it.
func looks(u *unseen, until time.Duration) map[place][]time.Duration {
	found := map[place][]time.Duration{}
	for passed := time.Duration(0); passed <= until; passed += pollInterval {
		for at := range u.due(in(passed)) {
			found[at] = append(found[at], passed)
		}
	}
	return found
}

func TestMostEventsNeedNoLook(t *testing.T) {
	for kind := event.Assign; kind <= event.Tuple; kind++ {
		for state := event.Bound; state < event.States; state++ {
			for _, states := range []bool{false, true} {
				want := kind == event.Pending || states && kind == event.Entered && state == event.FinWait2
				var u unseen
				u.note(&event.Event{Kind: kind, Time: began, Hold: event.Hold{NetNS: 1, Proto: event.TCP, State: state}}, states)
				if got := len(u.places) != 0; got != want {
					t.Errorf("kind %d, state %s, states %t: a look is due: %t", kind, state, states, got)
				}
			}
		}
	}
}

func TestPendingIsLookedForALittleWhile(t *testing.T) {
	var u unseen
	for i := range 20 { // a burst
		u.note(pending(1, uint32(i), in(time.Duration(i)*time.Millisecond)), false)
	}
	got := looks(&u, time.Minute)[place{1, event.UDP}]
	if len(got) == 0 || got[0] < firstDelay || got[0] >= firstDelay+pollInterval {
		t.Fatalf("looked after %v, want a first look %v after the first event", got, firstDelay)
	}
	if last := got[len(got)-1]; last > connecting+pollInterval || len(got) > 5 {
		t.Errorf("looked after %v: there is nothing to see so late", got)
	}
	if len(u.places) != 0 {
		t.Error("the place is still remembered")
	}
}

// A burst that goes on is seen again: what came after the first look is not forgotten.
func TestPendingAfterALookIsLookedForToo(t *testing.T) {
	var u unseen
	u.note(pending(1, 9, began), false)
	first := looks(&u, firstDelay+pollInterval)
	u.note(pending(1, 9, in(firstDelay+pollInterval)), false)
	second := looks(&u, time.Minute)
	if len(first) != 1 || len(second[place{1, event.UDP}]) == 0 {
		t.Errorf("looked after %v, then %v", first, second)
	}
}

func TestPlacesAreNamespacesAndProtocols(t *testing.T) {
	var u unseen
	u.note(pending(1, 10, began), true)
	u.note(pending(1, 11, began), true)
	u.note(pending(2, 20, began), true)
	u.note(enteredFinWait2(1, began), true)
	got := u.due(in(firstDelay))
	want := map[place]uint32{{1, event.UDP}: 11, {2, event.UDP}: 20, {1, event.TCP}: 0}
	if len(got) != len(want) {
		t.Errorf("got %v, want %v", got, want)
	}
	for at, pid := range want {
		if got[at] != pid {
			t.Errorf("%v: thread %d is asked first, want %d", at, got[at], pid)
		}
	}
}

// The end of FIN_WAIT2 may come any time within a minute: it is looked for all along,
// ever less often, and never more than a second late.
func TestFinWait2IsLookedForTillItsEnd(t *testing.T) {
	var u unseen
	u.note(enteredFinWait2(1, began), true)
	got := looks(&u, 2*time.Minute)[place{1, event.TCP}]
	if len(got) < 60 || len(got) > 70 {
		t.Fatalf("looked %d times", len(got))
	}
	for i := 1; i < len(got); i++ {
		if gap := got[i] - got[i-1]; gap > lastDelay+pollInterval {
			t.Errorf("after %v nothing was looked at for %v", got[i-1], gap)
		}
	}
	if last := got[len(got)-1]; last < 60*time.Second || last > finWait2+lastDelay {
		t.Errorf("the last look came after %v", last)
	}
}

func TestNothingIsDueBeforeItsTime(t *testing.T) {
	var u unseen
	if got := u.due(began); len(got) != 0 {
		t.Errorf("at the start: %v", got)
	}
	u.note(pending(1, 9, began), false)
	if got := u.due(in(firstDelay - 1)); len(got) != 0 {
		t.Errorf("too early: %v", got)
	}
	if got := u.due(in(firstDelay)); len(got) != 1 {
		t.Errorf("in time: %v", got)
	}
}

func TestStopMayComeMoreThanOnce(t *testing.T) {
	s := &Source{stop: make(chan struct{}, 1)}
	for range 3 {
		s.Stop()
	}
	if len(s.stop) != 1 {
		t.Error("the stop is not noted")
	}
}
