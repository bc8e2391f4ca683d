package filter

import (
	"math/rand"
	"net/netip"
	"slices"
	"testing"

	"porttrace/internal/event"
	"porttrace/internal/flagvalue"
	"porttrace/internal/ktime"
	"porttrace/internal/lifetime"
)

// seen is a record with its own copy of the hold.
type seen struct {
	lifetime.Record
	hold lifetime.Hold
}

type viewer struct{ records []seen }

func (v *viewer) next(r *lifetime.Record) {
	s := seen{Record: *r}
	if r.Hold != nil {
		s.hold = *r.Hold
	}
	v.records = append(v.records, s)
}

func (v *viewer) types() []lifetime.Type {
	var types []lifetime.Type
	for _, r := range v.records {
		types = append(types, r.Type)
	}
	return types
}

func toServer() Filter { return Filter{Dst: []flagvalue.Destination{to("192.0.2.1/32", 443)}} }

func TestHoldIsShownFromWhenItMatches(t *testing.T) {
	s, v := NewStage(toServer()), &viewer{}
	h := sample()
	noDst(&h)
	s.Apply(&lifetime.Record{Type: lifetime.Assign, Time: 5, Hold: &h}, v.next)
	s.Apply(&lifetime.Record{Type: lifetime.State, Time: 6, Hold: &h}, v.next)
	if len(v.records) != 0 {
		t.Fatalf("it was shown before its destination was known: %v", v.types())
	}
	h.Dst = sample().Dst
	s.Apply(&lifetime.Record{Type: lifetime.State, Time: 7, Hold: &h}, v.next)
	s.Apply(&lifetime.Record{Type: lifetime.Release, Time: 8, Hold: &h, Reason: event.Reset}, v.next)
	if want := []lifetime.Type{lifetime.Assign, lifetime.State, lifetime.Release}; !slices.Equal(v.types(), want) {
		t.Fatalf("got %v, want %v", v.types(), want)
	}
	if a := v.records[0]; a.Time != 5 || a.hold.ID != h.ID || a.hold.Dst != h.Dst || a.Reason != 0 {
		t.Errorf("the assignment is %+v, want it with its own time", a)
	}
	if r := v.records[2]; r.Time != 8 || r.Reason != event.Reset {
		t.Errorf("the release is %+v", r)
	}
}

// What the tracer had missed and found later was not there before the start, though nobody
// knows when it was assigned.
func TestHoldThatWasFound(t *testing.T) {
	for name, known := range map[string]bool{"matches at once": true, "matches later": false} {
		s, v := NewStage(toServer()), &viewer{}
		h := sample()
		h.Assigned = 0
		if !known {
			noDst(&h)
		}
		s.Apply(&lifetime.Record{Type: lifetime.Assign, Time: 5, Hold: &h}, v.next)
		h.Dst = sample().Dst
		s.Apply(&lifetime.Record{Type: lifetime.Release, Time: 8, Hold: &h, Reason: event.Closed}, v.next)
		s.Apply(&lifetime.Record{Type: lifetime.End, Time: 9, End: &lifetime.EndInfo{}}, v.next)
		if want := []lifetime.Type{lifetime.Assign, lifetime.Release, lifetime.End}; !slices.Equal(v.types(), want) {
			t.Fatalf("%s: got %v, want %v", name, v.types(), want)
		}
		if a, end := v.records[0], v.records[2].End; a.Time != 5 || end.Assigned != 1 || end.BeforeStart != 0 || len(s.found) != 0 {
			t.Errorf("%s: found at %d, %+v in the end, %d left", name, a.Time, *end, len(s.found))
		}
	}
	s := NewStage(toServer())
	h := sample()
	h.Assigned = 0
	noDst(&h)
	for _, typ := range []lifetime.Type{lifetime.Assign, lifetime.Release} {
		s.Apply(&lifetime.Record{Type: typ, Hold: &h}, func(r *lifetime.Record) { t.Errorf("%v is shown", r.Type) })
	}
	if len(s.found) != 0 {
		t.Error("what never matched is remembered when it is over")
	}
}

func TestHoldThatMatchesAtItsEnd(t *testing.T) {
	for name, tc := range map[string]struct {
		assigned ktime.Wall
		last     lifetime.Type
		first    lifetime.Type
		at       ktime.Wall
	}{
		"released":                         {5, lifetime.Release, lifetime.Assign, 5},
		"still held":                       {5, lifetime.HeldAtEnd, lifetime.Assign, 5},
		"from before the start":            {0, lifetime.Release, lifetime.HeldAtStart, 9},
		"from before the start, held on":   {0, lifetime.HeldAtEnd, lifetime.HeldAtStart, 9},
		"from before the start, a state":   {0, lifetime.State, lifetime.HeldAtStart, 9},
		"assigned, a state it had entered": {5, lifetime.State, lifetime.Assign, 5},
	} {
		s, v := NewStage(toServer()), &viewer{}
		h := sample()
		h.Assigned = tc.assigned
		s.Apply(&lifetime.Record{Type: tc.last, Time: 9, Hold: &h, Reason: 0}, v.next)
		if want := []lifetime.Type{tc.first, tc.last}; !slices.Equal(v.types(), want) {
			t.Errorf("%s: got %v, want %v", name, v.types(), want)
			continue
		}
		if v.records[0].Time != tc.at {
			t.Errorf("%s: the first record is of %d, want %d", name, v.records[0].Time, tc.at)
		}
	}
}

// A hold that was shown is shown to its end, whatever becomes of its addresses.
func TestHoldIsShownToItsEnd(t *testing.T) {
	s, v := NewStage(toServer()), &viewer{}
	h := sample()
	s.Apply(&lifetime.Record{Type: lifetime.Assign, Time: 5, Hold: &h}, v.next)
	h.Dst = netip.MustParseAddrPort("192.0.2.99:1")
	s.Apply(&lifetime.Record{Type: lifetime.Release, Time: 8, Hold: &h}, v.next)
	if want := []lifetime.Type{lifetime.Assign, lifetime.Release}; !slices.Equal(v.types(), want) {
		t.Errorf("got %v, want %v", v.types(), want)
	}
	if len(s.shown) != 0 {
		t.Error("it is remembered after its end")
	}
}

func TestEndKeepsWhatItSaysOfLosses(t *testing.T) {
	s, v := NewStage(toServer()), &viewer{}
	original := lifetime.EndInfo{BeforeStart: 1, Assigned: 2, Released: 3, Held: 4, Failures: 5, Lost: 6, Complete: true}
	end := original
	s.Apply(&lifetime.Record{Type: lifetime.End, Time: 3, End: &end}, v.next)
	if want := (lifetime.EndInfo{Lost: 6, Complete: true}); *v.records[0].End != want || v.records[0].Time != 3 {
		t.Errorf("got %+v, want %+v", *v.records[0].End, want)
	}
	if end != original {
		t.Error("the source's own totals were changed")
	}
}

// story plays random lives of holds, some from before the start, whose destination
// becomes known at any time or never.
func story(rnd *rand.Rand, s *Stage, v *viewer) {
	var live []*lifetime.Hold
	send := func(typ lifetime.Type, at ktime.Wall, h *lifetime.Hold) {
		s.Apply(&lifetime.Record{Type: typ, Time: at, Hold: h}, v.next)
	}
	now := ktime.Wall(1)
	for id := uint64(1); id < 200; now++ {
		if len(live) == 0 || rnd.Intn(2) == 0 {
			h := sample()
			h.ID, h.Dst, h.Assigned = id, netip.AddrPort{}, now
			h.Owner.PID = uint32(rnd.Intn(3))
			live = append(live, &h)
			id++
			if rnd.Intn(4) == 0 {
				h.Assigned = 0
				send(lifetime.HeldAtStart, now, &h)
			} else {
				send(lifetime.Assign, now, &h)
			}
			continue
		}
		i := rnd.Intn(len(live))
		h := live[i]
		if rnd.Intn(2) == 0 {
			h.Dst = netip.AddrPortFrom(netip.AddrFrom4([4]byte{192, 0, 2, byte(rnd.Intn(3))}), 443)
		}
		if rnd.Intn(3) > 0 {
			send(lifetime.State, now, h)
			continue
		}
		send(lifetime.Release, now, h)
		live = slices.Delete(live, i, i+1)
	}
	for _, h := range live {
		send(lifetime.HeldAtEnd, now, h)
	}
	s.Apply(&lifetime.Record{Type: lifetime.End, Time: now, End: &lifetime.EndInfo{}}, v.next)
}

func TestConservation(t *testing.T) {
	for seed := range int64(200) {
		rnd := rand.New(rand.NewSource(seed))
		f := toServer()
		if seed%2 == 1 {
			f.PIDs = []uint32{0, 1}
		}
		v := &viewer{}
		story(rnd, NewStage(f), v)
		checkConservation(t, seed, v)
		if t.Failed() {
			return
		}
	}
}

func checkConservation(t *testing.T, seed int64, v *viewer) {
	t.Helper()
	var got lifetime.EndInfo
	begun, over := map[uint64]bool{}, map[uint64]bool{}
	for i, r := range v.records {
		switch r.Type {
		case lifetime.HeldAtStart:
			got.BeforeStart++
		case lifetime.Assign:
			got.Assigned++
		case lifetime.Release:
			got.Released++
		case lifetime.HeldAtEnd:
			got.Held++
		case lifetime.End:
			if *r.End != got || i != len(v.records)-1 {
				t.Errorf("seed %d: the end says %+v, shown was %+v", seed, *r.End, got)
			}
			continue
		}
		first := r.Type == lifetime.HeldAtStart || r.Type == lifetime.Assign
		if first == begun[r.hold.ID] || over[r.hold.ID] {
			t.Errorf("seed %d: hold %d: type %d after begun %t, over %t", seed, r.hold.ID, r.Type, begun[r.hold.ID], over[r.hold.ID])
		}
		begun[r.hold.ID] = true
		over[r.hold.ID] = r.Type == lifetime.Release
	}
	if got.Held != got.BeforeStart+got.Assigned-got.Released {
		t.Errorf("seed %d: %+v do not add up", seed, got)
	}
}
