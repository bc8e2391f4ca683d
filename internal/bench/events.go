package main

import (
	"net/netip"

	"porttrace/internal/event"
	"porttrace/internal/ktime"
	"porttrace/internal/lifetime"
)

// eventOf is what the kernel may have told to make the tracker tell this record; ok is
// false for records that come from no event. Wall time stands for the kernel's own.
func eventOf(r *lifetime.Record) (e event.Event, ok bool) {
	e.Time = ktime.Time(r.Time)
	switch r.Type {
	case lifetime.HeldAtStart:
		e.Kind = event.Found
	case lifetime.Assign:
		e.Kind = event.Assign
	case lifetime.State:
		e.Kind = event.Entered
	case lifetime.Release:
		e.Kind, e.Reason = event.Release, r.Reason
		if r.Reason == event.TimeWaitReused {
			// The kernel tells of a cancelled timer. That the tuple was taken over the
			// tracker finds out when the next assignment of it comes.
			e.Reason = event.TimeWaitKilled
		}
	default:
		return e, false
	}
	e.Hold = holdOf(r.Hold)
	return e, true
}

func holdOf(h *lifetime.Hold) event.Hold {
	out := event.Hold{
		ID:       event.ID{Cookie: h.ID},
		Assigned: ktime.Time(h.Assigned),
		Search:   event.NoSearch,
		Owner:    event.Owner{PID: h.Owner.PID, TID: h.Owner.TID, UID: h.Owner.UID},
		Src:      addrOf(h.Src),
		Dst:      addrOf(h.Dst.Addr()),
		NetNS:    h.NetNS,
		Port:     h.Port,
		DstPort:  h.Dst.Port(),
		Proto:    h.Proto,
		Path:     h.Path,
		State:    h.State,
	}
	copy(out.Owner.Comm[:], h.Owner.Comm)
	if h.Search >= 0 {
		out.Search = uint64(h.Search)
	}
	for i, d := range h.States {
		out.InState[i] = uint64(d)
	}
	// Part of the identity: where it is unknown, the same in all records of the hold.
	if out.Born = out.Assigned; out.Born == 0 {
		out.Born = 1
	}
	return out
}

// addrOf is an address as the hooks tell it; zero for one that is not known.
func addrOf(a netip.Addr) event.Addr {
	if !a.IsValid() {
		return event.Addr{}
	}
	return a.As16()
}
