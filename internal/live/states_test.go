package live

import (
	"testing"
	"time"

	"porttrace/internal/event"
	"porttrace/internal/ktime"
)

func failure(netns uint32, proto event.Proto, at ktime.Time) *event.Event {
	return &event.Event{Kind: event.Failure, Time: at, Hold: event.Hold{NetNS: netns, Proto: proto}}
}

func TestOnlyFailuresOfTCPWantStates(t *testing.T) {
	for kind := event.Assign; kind <= event.Tuple; kind++ {
		for _, proto := range []event.Proto{event.TCP, event.UDP} {
			var r refresher
			e := failure(1, proto, began)
			e.Kind = kind
			if got, want := r.isWanted(e), kind == event.Failure && proto == event.TCP; got != want {
				t.Errorf("kind %d of %s: got %t", kind, proto, got)
			}
		}
	}
}

func TestStormWantsStatesOnceASecond(t *testing.T) {
	var r refresher
	looks := map[uint32]int{}
	for passed := time.Duration(0); passed < 5*time.Second; passed += time.Millisecond {
		for netns := range uint32(3) {
			if r.isWanted(failure(netns, event.TCP, in(passed))) {
				looks[netns]++
			}
		}
	}
	for netns, n := range looks {
		if n != 5 {
			t.Errorf("namespace %d was looked at %d times in 5 s", netns, n)
		}
	}
}

// A bind() that failed is told with the time it was called, which may be long ago.
func TestFailureToldLateWantsNoSecondLook(t *testing.T) {
	var r refresher
	r.isWanted(failure(1, event.TCP, in(time.Minute)))
	if r.isWanted(failure(1, event.TCP, began)) {
		t.Error("the states of a minute ago cannot be looked at")
	}
}

func TestNamespacesLookedAtAreBounded(t *testing.T) {
	var r refresher
	for netns := range uint32(5000) {
		if !r.isWanted(failure(netns, event.TCP, began)) {
			t.Fatalf("namespace %d was never looked at", netns)
		}
		if len(r.looked) > 1<<10 {
			t.Fatalf("%d namespaces are remembered", len(r.looked))
		}
	}
}
