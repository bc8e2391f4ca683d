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

// Options of a source.
type Options struct {
	Clock  *ktime.Clock
	Owners lifetime.Owners
	States bool   // a record for each state entered
	NetNS  uint32 // only this namespace's sockets; 0: all
	// Losses is called when events were lost, at once; nil: not.
	Losses func(probe.Losses)
	// Stepped is called when the wall clock was set; nil: not.
	Stepped func(ktime.Step)
	// Corrected is called when the held set was put right; nil: not.
	Corrected func(lifetime.Corrections, Explanation)
}

// Source implements pipeline.Source. It is not safe for concurrent use but for Stop.
type Source struct {
	probe   *probe.Probe
	options Options
	tracker *lifetime.Tracker
	unseen  unseen
	emit    func(*lifetime.Record)
	losses  account
	audits  auditor
	doubt   doubt
	states  refresher
	poll    time.Duration // how long an event may stay in the ring
	starved bool          // a limit of the CPU keeps us from reading
	stop    chan struct{}
	done    bool
}

// New returns a source on an attached probe, which it closes at the end.
func New(p *probe.Probe, options Options) *Source {
	now := ktime.Now()
	s := &Source{probe: p, options: options, poll: pollInterval, stop: make(chan struct{}, 1)}
	s.losses.next = now.Add(lossInterval)
	s.doubt = newDoubt(p)
	s.audits.next, s.audits.interval, s.audits.share = now.Add(auditInterval), auditInterval, auditShare
	s.tracker = lifetime.NewTracker(options.Clock, options.Owners, options.States, func(r *lifetime.Record) { s.emit(r) })
	return s
}

// mostMeanwhile is how many events are kept while the first look lasts, some 40 MB; the rest
// waits in the ring.
const mostMeanwhile = 1 << 17

// Snapshot hands over what is held at this moment; the first call of a trace. On a host with
// very many sockets that takes longer than the ring has room for a storm: what it tells
// meanwhile is kept until all is found that was there before.
func (s *Source) Snapshot(emit func(*lifetime.Record)) error {
	s.emit = emit
	var meanwhile []event.Event
	keep := func(e *event.Event) { meanwhile = append(meanwhile, *e) }
	all, err := s.namespaces()
	if err == nil {
		err = s.probe.Snapshot(all, s.tracker.Handle, func() error {
			if len(meanwhile) >= mostMeanwhile {
				return nil
			}
			return s.probe.Poll(0, keep)
		})
	}
	if err != nil {
		return fmt.Errorf("taking the first look: %w", err)
	}
	s.tracker.Started()
	for i := range meanwhile {
		s.handle(&meanwhile[i])
	}
	return s.states.failed
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
	s.followClock()
	select {
	case <-s.stop:
		s.done = true
		return s.finish()
	default:
	}
	if err := errors.Join(s.probe.Poll(s.poll, s.handle), s.states.failed); err != nil {
		return err
	}
	now := ktime.Now()
	s.tracker.Advance(now)
	if err := s.unseen.look(s.probe, now, s.tracker.Handle); err != nil {
		return err
	}
	if err := s.checkLosses(now); err != nil {
		return err
	}
	if err := s.judgeIfDue(now); err != nil {
		return err
	}
	return s.auditIfDue(now)
}

func (s *Source) handle(e *event.Event) {
	if s.probe.Hooks() == probe.Stable { // the other set leaves nothing to looks
		s.unseen.note(e, s.options.States)
	}
	if s.states.isWanted(e) {
		s.states.look(s.probe, e, s.tracker.Handle)
	}
	s.tracker.Handle(e)
}

// namespaces are those whose sockets are traced.
func (s *Source) namespaces() ([]netns.NS, error) {
	all, err := netns.List()
	if err != nil || s.options.NetNS == 0 {
		return all, err
	}
	for i := range all {
		if all[i].Inode == s.options.NetNS {
			return all[i : i+1], nil
		}
	}
	return nil, nil
}

// Refresh looks at every hold, so that states that changed unseen are known.
func (s *Source) Refresh() error { return s.probe.RollCall(s.tracker.Handle, s.readOn) }

// readOn empties the ring while something else goes on.
func (s *Source) readOn() error { return s.probe.Poll(0, s.handle) }

// finish ends the trace: a last audit while the hooks still see, then the hooks come
// off, and what they told meanwhile is read.
func (s *Source) finish() error {
	errs := []error{
		s.lastAudit(),
		s.probe.Detach(),
		s.probe.Drain(s.handle),
		s.states.failed,
		s.readLosses(),
	}
	now := ktime.Now()
	s.tracker.Finish(now)
	s.settle()
	errs = append(errs, s.judgeAtEnd())
	totals := s.tracker.Totals()
	s.emit(&lifetime.Record{Type: lifetime.End, Time: s.options.Clock.Wall(now), End: &lifetime.EndInfo{
		BeforeStart:   totals.BeforeStart,
		Assigned:      totals.Assigned,
		Released:      totals.Released,
		Held:          uint64(s.tracker.Held()),
		Failures:      totals.Failures,
		Lost:          s.losses.total,
		Reconciled:    totals.Corrected,
		Discrepancies: s.audits.discrepancies,
		Complete:      s.losses.total == 0 && s.audits.discrepancies == 0 && errors.Join(errs...) == nil,
	}})
	return errors.Join(errs...)
}
