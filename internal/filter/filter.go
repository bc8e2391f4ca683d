// Package filter leaves out holds that the user did not ask for. What the kernel side
// can leave out by itself (ports, protocol, family, namespace) never comes here.
package filter

import (
	"net/netip"
	"slices"

	"porttrace/internal/flagvalue"
	"porttrace/internal/ktime"
	"porttrace/internal/lifetime"
)

// Filter says which holds to show. Each list matches if it is empty or any of its
// elements does; all lists must match.
type Filter struct {
	PIDs       []uint32
	Comms      []string
	UIDs       []uint32
	Cgroups    []string // clean paths: these and all below them
	Containers []string // names, or enough of ids
	Units      []string // whole names, of the system's manager or a user's
	Pods       []flagvalue.Pod
	Dst        []flagvalue.Destination
	Src        []netip.Prefix
	// CouldMeet says for a failed search whether it could have met the ports asked
	// for. Nil: yes.
	CouldMeet func(*lifetime.FailureInfo) bool
}

// IsEmpty says whether all holds and failures match.
func (f *Filter) IsEmpty() bool {
	lists := len(f.PIDs) + len(f.Comms) + len(f.UIDs) + len(f.Dst) + len(f.Src)
	places := len(f.Cgroups) + len(f.Containers) + len(f.Units) + len(f.Pods)
	return lists+places == 0 && f.CouldMeet == nil
}

// Stage passes on the records that match. A hold whose destination, or whose owner's
// container by name, is not known yet when it is assigned is shown from when it matches: its
// assignment comes then, with the time it had. It is not safe for concurrent use.
type Stage struct {
	filter Filter
	shown  map[uint64]bool       // by Hold.ID, of live holds
	found  map[uint64]ktime.Wall // when the tracer found those it had missed, by Hold.ID, of live ones not shown
	totals lifetime.EndInfo
}

// NewStage returns a stage for one trace.
func NewStage(f Filter) *Stage {
	return &Stage{filter: f, shown: map[uint64]bool{}, found: map[uint64]ktime.Wall{}}
}

// Apply hands the record to next if it matches, and completes an End record with the
// totals of what was shown.
func (s *Stage) Apply(r *lifetime.Record, next func(*lifetime.Record)) {
	switch {
	case r.Type == lifetime.Failure:
		if s.filter.matchesFailure(r.Failure) {
			s.totals.Failures++
			next(r)
		}
	case r.Type == lifetime.End:
		s.end(r, next)
	case r.Hold != nil:
		s.hold(r, next)
	default:
		next(r)
	}
}

func (s *Stage) hold(r *lifetime.Record, next func(*lifetime.Record)) {
	if !s.shown[r.Hold.ID] {
		if r.Type == lifetime.Assign && r.Hold.Assigned == 0 {
			s.found[r.Hold.ID] = r.Time
		}
		matches := s.filter.matches(r.Hold)
		if matches {
			s.show(r, next)
		}
		if matches || r.Type == lifetime.Release {
			delete(s.found, r.Hold.ID)
		}
		if !matches {
			return
		}
	}
	if r.Type == lifetime.Release {
		s.totals.Released++
		delete(s.shown, r.Hold.ID)
	}
	if r.Type != lifetime.Assign && r.Type != lifetime.HeldAtStart {
		next(r)
	}
}

// show passes the beginning of a hold, which may lie behind the record that matched.
func (s *Stage) show(r *lifetime.Record, next func(*lifetime.Record)) {
	s.shown[r.Hold.ID] = true
	first := *r
	first.Reason = 0
	found, missed := s.found[r.Hold.ID]
	switch {
	case missed:
		first.Time = found
	case r.Hold.Assigned != 0:
		first.Time = r.Hold.Assigned
	default:
		s.totals.BeforeStart++
		first.Type = lifetime.HeldAtStart
		next(&first)
		return
	}
	s.totals.Assigned++
	first.Type = lifetime.Assign
	next(&first)
}

func (s *Stage) end(r *lifetime.Record, next func(*lifetime.Record)) {
	end := *r.End
	end.BeforeStart = s.totals.BeforeStart
	end.Assigned = s.totals.Assigned
	end.Released = s.totals.Released
	end.Failures = s.totals.Failures
	end.Held = end.BeforeStart + end.Assigned - end.Released
	record := *r
	record.End = &end
	next(&record)
}

func (f *Filter) matches(h *lifetime.Hold) bool {
	return f.matchesParties(&h.Owner, h.Src, h.Dst)
}

func (f *Filter) matchesFailure(info *lifetime.FailureInfo) bool {
	return f.matchesParties(&info.Owner, info.Src, info.Dst) && (f.CouldMeet == nil || f.CouldMeet(info))
}

func (f *Filter) matchesParties(o *lifetime.Owner, src netip.Addr, dst netip.AddrPort) bool {
	known := o.PID != 0
	switch {
	case !f.matchesPlace(o.Place),
		len(f.PIDs) > 0 && !(known && slices.Contains(f.PIDs, o.PID)),
		len(f.Comms) > 0 && !(known && slices.Contains(f.Comms, o.Comm)),
		len(f.UIDs) > 0 && !(known && slices.Contains(f.UIDs, o.UID)),
		len(f.Src) > 0 && !slices.ContainsFunc(f.Src, func(p netip.Prefix) bool { return p.Contains(src) }),
		len(f.Dst) > 0 && !slices.ContainsFunc(f.Dst, func(d flagvalue.Destination) bool { return d.Contains(dst) }):
		return false
	}
	return true
}
