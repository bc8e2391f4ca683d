// Package live is the running kernel as a source of records: it polls the probe, feeds
// the tracker, looks where no hook can see, and accounts for what was lost.
package live

import (
	"errors"
	"fmt"
	"io"
	"time"

	"porttrace/internal/event"
	"porttrace/internal/ktime"
	"porttrace/internal/lifetime"
	"porttrace/internal/netns"
	"porttrace/internal/probe"
)

// pollInterval is how long an event may stay in the ring. The hooks wake nobody
// before the ring is a quarter full, which is what keeps them cheap.
const pollInterval = 20 * time.Millisecond

// checkInterval is how often losses are read.
const checkInterval = time.Second

// Options of a source.
type Options struct {
	Clock  ktime.Clock
	Owners lifetime.Owners
	States bool   // a record for each state entered
	NetNS  uint32 // only this namespace's sockets; 0: all
	// Losses is called when events were lost, at once.
	Losses func(probe.Losses)
}

// Source implements pipeline.Source. It is not safe for concurrent use but for Stop.
type Source struct {
	probe   *probe.Probe
	options Options
	tracker *lifetime.Tracker
	unseen  unseen
	emit    func(*lifetime.Record)
	lost    uint64
	checked ktime.Time
	states  refresher
	stop    chan struct{}
	done    bool
}

// New returns a source on an attached probe, which it closes at the end.
func New(p *probe.Probe, options Options) *Source {
	s := &Source{probe: p, options: options, stop: make(chan struct{}, 1), checked: ktime.Now()}
	s.tracker = lifetime.NewTracker(options.Clock, options.Owners, options.States, func(r *lifetime.Record) { s.emit(r) })
	return s
}

// Snapshot hands over what is held at this moment; the first call of a trace.
func (s *Source) Snapshot(emit func(*lifetime.Record)) error {
	s.emit = emit
	if err := s.look(); err != nil {
		return fmt.Errorf("taking the first look: %w", err)
	}
	s.tracker.Started()
	return nil
}

// Tracker gives sight of the held set, for pools.
func (s *Source) Tracker() *lifetime.Tracker { return s.tracker }

// Stop implements pipeline.Source.
func (s *Source) Stop() {
	select {
	case s.stop <- struct{}{}:
	default:
	}
}

// Next implements pipeline.Source.
func (s *Source) Next(emit func(*lifetime.Record)) error {
	if s.done {
		return io.EOF
	}
	s.emit = emit
	select {
	case <-s.stop:
		s.done = true
		return s.finish()
	default:
	}
	if err := errors.Join(s.probe.Poll(pollInterval, s.handle), s.states.failed); err != nil {
		return err
	}
	now := ktime.Now()
	s.tracker.Advance(now)
	if err := s.unseen.look(s.probe, now, s.tracker.Handle); err != nil {
		return err
	}
	if now.Sub(s.checked) >= checkInterval {
		s.checked = now
		return s.checkLosses()
	}
	return nil
}

func (s *Source) handle(e *event.Event) {
	s.unseen.note(e, s.options.States)
	if s.states.isWanted(e) {
		s.states.look(s.probe, e, s.tracker.Handle)
	}
	s.tracker.Handle(e)
}

// look brings the held set up to the moment, as the kernel's own tables see it.
func (s *Source) look() error {
	all, err := netns.List()
	if err != nil {
		return err
	}
	if s.options.NetNS != 0 {
		one := all[:0]
		for _, ns := range all {
			if ns.Inode == s.options.NetNS {
				one = append(one, ns)
			}
		}
		all = one
	}
	return s.probe.Look(all, s.tracker.Handle)
}

// Refresh looks at every hold, so that states that changed unseen are known.
func (s *Source) Refresh() error { return s.look() }

// finish ends the trace: a last look while the hooks still see, then the hooks come
// off, and what they told meanwhile is read.
func (s *Source) finish() error {
	errs := []error{
		s.probe.Poll(0, s.handle),
		s.look(),
		s.probe.Detach(),
		s.probe.Drain(s.handle),
		s.states.failed,
		s.checkLosses(),
	}
	now := ktime.Now()
	s.tracker.Finish(now)
	totals := s.tracker.Totals()
	s.emit(&lifetime.Record{Type: lifetime.End, Time: s.options.Clock.Wall(now), End: &lifetime.EndInfo{
		BeforeStart: totals.BeforeStart,
		Assigned:    totals.Assigned,
		Released:    totals.Released,
		Held:        uint64(s.tracker.Held()),
		Failures:    totals.Failures,
		Lost:        s.lost,
		Complete:    s.lost == 0 && errors.Join(errs...) == nil,
	}})
	return errors.Join(errs...)
}

func (s *Source) checkLosses() error {
	losses, err := s.probe.NewLosses()
	if err != nil {
		return err
	}
	if losses.Total() == 0 {
		return nil
	}
	s.lost += losses.Total()
	if s.options.Losses != nil {
		s.options.Losses(losses)
	}
	now := s.options.Clock.Wall(ktime.Now())
	for _, l := range []lifetime.LostInfo{
		{Events: losses.Ring, Where: "ring"},
		{Events: losses.Map, Where: "map"},
		{Events: losses.Recursion, Where: "recursion"},
	} {
		if l.Events > 0 {
			s.emit(&lifetime.Record{Type: lifetime.Lost, Time: now, Lost: &l})
		}
	}
	return nil
}
