package report

import (
	"slices"
	"time"

	"porttrace/internal/event"
	"porttrace/internal/filter"
	"porttrace/internal/ktime"
	"porttrace/internal/lifetime"
	"porttrace/internal/party"
)

// The sizes of what is kept by state and by path.
const (
	eventStates = int(event.States)
	paths       = int(event.Explicit) + 1 // 0: unknown
)

// session is one recording, in one part or several: hold ids are its own.
type session struct {
	c     *Collector
	host  *host
	about Recording
	total totals // of all of the recording, to check its end record

	ports  *namedPorts   // nil: all
	filter *filter.Stage // nil: none
	shown  *window       // of what the report is about
	judged *window       // of what findings come from: the whole scope

	held      map[uint64]*holding // by Hold.ID
	free      []*holding
	comebacks comebacks
	shownSums lifetime.EndInfo // of what the report is about
	err       error
}

// holding is a hold that has begun and not ended.
type holding struct {
	lifetime.Hold
	seen   ktime.Wall // from when on it is known
	before bool       // it began before the recording, or before the time asked for
}

func newSession(c *Collector, h *host, info *lifetime.StartInfo) *session {
	o := &c.opts
	s := &session{
		c: c, host: h, held: map[uint64]*holding{},
		about:  newRecording(h, info),
		shown:  newWindow(o.Since, o.Until),
		judged: newWindow(o.Since, o.Until),
	}
	f := o.Filter
	f.CouldMeet = nil
	if !o.Ports.Empty() {
		s.ports = &namedPorts{&o.Ports, slices.Clone(info.Pools)}
		f.CouldMeet = s.ports.couldMeet
	}
	if !f.IsEmpty() {
		s.filter = filter.NewStage(f)
	}
	return s
}

// goesOn says whether a start record is that of this recording's next part.
func (s *session) goesOn(info *lifetime.StartInfo) bool {
	return info.Part > 1 && info.Part > s.about.lastPart && s.about.lastPart > 0 && s.about.End == nil &&
		info.Host == s.host.name && info.BootID == s.host.bootID && info.Filter == s.about.Filter
}

func (s *session) write(r *lifetime.Record) {
	r, step := s.host.clock.follow(r)
	if step != nil {
		s.about.Steps = append(s.about.Steps, *step)
	}
	s.span(r)
	s.total.add(r)
	s.about.note(r)
	if r.Type == lifetime.Clock {
		s.show(r) // not for the engine: what follows has no step
		return
	}
	if !s.c.opts.Scope.has(r) {
		return
	}
	s.judged.apply(r, s.judge)
	switch {
	case s.ports != nil && !s.ports.has(r):
	case s.filter != nil && r.Type != lifetime.End:
		s.filter.Apply(r, s.show)
	default:
		s.show(r)
	}
}

// span keeps the time that records come from.
func (s *session) span(r *lifetime.Record) {
	if out := &s.c.out; r.Time != 0 {
		if out.from == 0 || r.Time < out.from {
			out.from = r.Time
		}
		out.to = max(out.to, r.Time)
	}
}

func (s *session) judge(r *lifetime.Record) { s.note(s.host.engine.Write(r)) }

func (s *session) show(r *lifetime.Record) { s.shown.apply(r, s.take) }

func (s *session) note(err error) {
	if s.err == nil {
		s.err = err
	}
}

// take adds a record that the report is about.
func (s *session) take(r *lifetime.Record) {
	switch {
	case r.Type == lifetime.Failure:
		s.fail(r)
	case r.Type == lifetime.End:
		r = s.endOf(r)
	case r.Hold != nil:
		s.hold(r)
	}
	for _, sink := range s.c.opts.Sinks {
		s.note(sink.Write(r))
	}
}

// endOf returns the end record of what the report is about.
func (s *session) endOf(r *lifetime.Record) *lifetime.Record {
	end, info := *r, *r.End
	sums := &s.shownSums
	info.BeforeStart, info.Assigned, info.Released, info.Failures = sums.BeforeStart, sums.Assigned, sums.Released, sums.Failures
	info.Held = info.BeforeStart + info.Assigned - info.Released
	end.End = &info
	if until := s.c.opts.Until; until != 0 {
		end.Time = min(end.Time, until)
	}
	return &end
}

func (s *session) hold(r *lifetime.Record) {
	l := s.held[r.Hold.ID]
	if l == nil {
		l = s.begin(r)
	}
	switch r.Type {
	case lifetime.Release, lifetime.HeldAtEnd:
		l.Hold = *r.Hold
		s.end(l, r.Time, r.Type == lifetime.Release, r.Reason)
	case lifetime.State:
		l.State, l.Src, l.Dst = r.Hold.State, r.Hold.Src, r.Hold.Dst
	}
}

// begin takes in a hold with the first record about it, whatever that is.
func (s *session) begin(r *lifetime.Record) *holding {
	var l *holding
	if n := len(s.free); n > 0 {
		l, s.free = s.free[n-1], s.free[:n-1]
	} else {
		l = new(holding)
	}
	h := r.Hold
	l.Hold, l.seen = *h, r.Time
	l.before = r.Type == lifetime.HeldAtStart || r.Type != lifetime.Assign && (h.Assigned == 0 || h.Assigned < s.c.opts.Since)
	if r.Type == lifetime.Release || r.Type == lifetime.HeldAtEnd {
		l.seen -= ktime.Wall(h.HeldFor())
	}
	s.held[h.ID] = l

	out := &s.c.out
	if l.before {
		out.counts.Before++
		s.shownSums.BeforeStart++
		s.comebacks.assign(h, 0, &out.comebacks)
		return l
	}
	out.counts.Assigned++
	s.shownSums.Assigned++
	s.comebacks.assign(h, h.Assigned, &out.comebacks)
	if h.Search >= 0 {
		out.search[min(int(h.Path), paths-1)].add(h.Search)
	}
	return l
}

// end takes a hold out, which was released or is held still at that time.
func (s *session) end(l *holding, at ktime.Wall, released bool, reason event.Reason) {
	out := &s.c.out
	if released {
		out.counts.Released++
		s.shownSums.Released++
		out.reasons[reason.String()]++
		s.comebacks.release(&l.Hold, at)
	}
	held := l.HeldFor()
	out.lifetimes.add(held)
	for state, d := range l.States {
		if d > 0 {
			out.states[state].add(d)
		}
	}
	s.count(l, tallyOf(&l.Hold, held, true))
	s.remember(l, at, released, reason, true)
	delete(s.held, l.ID)
	s.free = append(s.free, l)
}

// abandon counts a hold that no record tells the end of: it was held until the recording
// ends, in states that are not known.
func (s *session) abandon(l *holding, at ktime.Wall) {
	held := max(0, at.Sub(l.seen))
	l.States = [event.States]time.Duration{}
	s.c.out.lifetimes.add(held)
	s.c.out.unknown += portTime(held)
	s.count(l, tallyOf(&l.Hold, held, false))
	s.remember(l, at, false, 0, false)
}

func (s *session) count(l *holding, t Tally) {
	out := &s.c.out
	out.all.add(t)
	s.owner(&l.Owner, l.NetNS, l.NetNSName, t)
	out.destinations.at(destinationOf(s.host.name, l.NetNS, l.Proto, l.Dst)).add(t)
	out.ways.at(Way{l.Path, l.Proto}).add(t)
}

func (s *session) owner(o *lifetime.Owner, netns uint32, name lifetime.Interned[string], t Tally) {
	out := &s.c.out
	row := out.processes.at(processOf(s.host.name, o))
	row.Learn(party.RunsIn(o))
	row.add(t)
	if by := s.c.opts.By; by != party.Process {
		key, label := by.Of(o, netns, name)
		row = out.groups.at(Group{s.host.name, key})
		row.Learn(label)
		row.add(t)
	}
	out.programs.at(Program{s.host.name, o.Comm, o.Place.Value().Container}).add(t)
}

func (s *session) fail(r *lifetime.Record) {
	f, out := r.Failure, &s.c.out
	t := Tally{Failures: 1}
	s.shownSums.Failures++
	out.failures.add(f.Cause, r.Time)
	out.all.add(t)
	s.owner(&f.Owner, f.NetNS, f.NetNSName, t)
	out.destinations.at(destinationOf(s.host.name, f.NetNS, f.Proto, f.Dst)).add(t)
	out.ways.at(Way{f.Path, f.Proto}).add(t)
}

func (s *session) remember(l *holding, at ktime.Wall, released bool, reason event.Reason, statesKnown bool) {
	if s.ports == nil {
		return
	}
	s.c.out.history.add(Chapter{
		Host: s.host.name, Recording: len(s.c.out.recordings), Hold: l.Hold, Seen: l.seen, End: at,
		Before: l.before, Released: released, Reason: reason, StatesKnown: statesKnown,
	})
}

// close counts what is held when the recording ends without saying so.
func (s *session) close() {
	at := s.about.Last
	if until := s.c.opts.Until; until != 0 {
		at = min(at, until)
	}
	left := make([]*holding, 0, len(s.held))
	for _, l := range s.held {
		left = append(left, l)
	}
	slices.SortFunc(left, func(a, b *holding) int { return int(int64(a.ID) - int64(b.ID)) })
	for _, l := range left {
		s.abandon(l, at)
	}
	s.about.check(&s.total)
}
