package main

import (
	"net/netip"
	"reflect"
	"testing"
	"time"

	"porttrace/internal/event"
	"porttrace/internal/ktime"
	"porttrace/internal/lifetime"
	"porttrace/internal/owner"
)

// used is a hold on its way: its id, since when, and the time in two states.
func used(id uint64, assigned ktime.Wall, established, timeWait time.Duration) *lifetime.Hold {
	h := &lifetime.Hold{
		ID: id, NetNS: 7, Proto: event.TCP, Port: 40000, Path: event.Connect,
		Src: netip.MustParseAddr("127.0.0.1"), Dst: netip.MustParseAddrPort("127.0.0.1:80"),
		Assigned: assigned, Search: 5, State: event.Established,
		Owner: lifetime.Owner{PID: 42, TID: 43, UID: 1000, Comm: "curl"},
	}
	h.States[event.Established], h.States[event.TimeWait] = established, timeWait
	if timeWait > 0 {
		h.State = event.TimeWait
	}
	return h
}

// What the tracker makes of the events is what they were made from.
func TestEventsMakeTheirRecords(t *testing.T) {
	const at = 1_000_000
	early := used(1, 0, 0, 0)
	early.Search, early.Path, early.Owner = -1, 0, lifetime.Owner{}
	late := *early
	late.States[event.Established] = 50
	for name, records := range map[string][]lifetime.Record{
		"closed": {
			{Type: lifetime.Assign, Time: at, Hold: used(1, at, 0, 0)},
			{Type: lifetime.Release, Time: at + 50, Hold: used(1, at, 50, 0), Reason: event.Closed},
		},
		"taken over from TIME_WAIT": {
			{Type: lifetime.Assign, Time: at, Hold: used(1, at, 0, 0)},
			{Type: lifetime.Release, Time: at + 50, Hold: used(1, at, 20, 30), Reason: event.TimeWaitReused},
			{Type: lifetime.Assign, Time: at + 50, Hold: used(2, at+50, 0, 0)},
		},
		"killed in TIME_WAIT": {
			{Type: lifetime.Assign, Time: at, Hold: used(1, at, 0, 0)},
			{Type: lifetime.Release, Time: at + 50, Hold: used(1, at, 20, 30), Reason: event.TimeWaitKilled},
		},
	} {
		checkReplay(t, name, records)
	}

	// Of an unknown beginning, the times are those since the first look.
	first, _ := eventOf(&lifetime.Record{Type: lifetime.HeldAtStart, Time: at, Hold: early})
	last, _ := eventOf(&lifetime.Record{Type: lifetime.Release, Time: at + 50, Hold: &late})
	if first.Hold.ID != last.Hold.ID || first.Hold.Search != event.NoSearch {
		t.Errorf("held from before the start: %+v, then %+v", first.Hold.ID, last.Hold.ID)
	}
	for _, typ := range []lifetime.Type{lifetime.Start, lifetime.Pool, lifetime.Lost, lifetime.HeldAtEnd, lifetime.End} {
		if e, ok := eventOf(&lifetime.Record{Type: typ}); ok {
			t.Errorf("type %d comes from no event, got %+v", typ, e)
		}
	}
}

func checkReplay(t *testing.T, name string, records []lifetime.Record) {
	t.Helper()
	owners := owner.NewResolver()
	defer owners.Close()
	var got []lifetime.Record
	tracker := lifetime.NewTracker(new(ktime.Clock), owners, false, func(r *lifetime.Record) {
		kept, hold := *r, *r.Hold
		kept.Hold = &hold
		// What is known beyond the event does not go back into one.
		o := &hold.Owner
		*o = lifetime.Owner{PID: o.PID, TID: o.TID, UID: o.UID, Comm: o.Comm}
		hold.NetNSName = lifetime.Interned[string]{}
		got = append(got, kept)
	})
	for i := range records {
		e, ok := eventOf(&records[i])
		if !ok {
			t.Fatalf("%s: no event for %+v", name, records[i])
		}
		tracker.Handle(&e)
	}
	tracker.Advance(ktime.Time(records[0].Time).Add(time.Hour))
	if !reflect.DeepEqual(got, records) {
		t.Errorf("%s: got %d records, want %d", name, len(got), len(records))
		for i := range got {
			t.Logf("got  %+v %+v", got[i], got[i].Hold)
		}
		for i := range records {
			t.Logf("want %+v %+v", records[i], records[i].Hold)
		}
	}
}
