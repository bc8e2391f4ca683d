//go:build linux

package main

import (
	"context"
	"errors"
	"io"
	"time"

	"porttrace/internal/filter"
	"porttrace/internal/ktime"
	"porttrace/internal/lifetime"
	"porttrace/internal/live"
	"porttrace/internal/owner"
	"porttrace/internal/pipeline"
	"porttrace/internal/pool"
	"porttrace/internal/probe"
	"porttrace/internal/recording"
	"porttrace/internal/terminal"
)

// session is one trace from the first look to the end record. It implements
// pipeline.Source: the live kernel, seen through pools and filters.
type session struct {
	env    *env
	config traceConfig
	clock  ktime.Clock
	owners *owner.Resolver
	ranges *pool.Ranges
	probe  *probe.Probe
	live   *live.Source
	book   *pool.Book
	filter *filter.Stage // nil: everything is shown
	begun  bool
	failed error             // what ended the trace before its time
	end    *lifetime.EndInfo // nil: no end record yet
}

func runTrace(ctx context.Context, e *env, config traceConfig) (err error) {
	if config.Hooks == "fentry" {
		return errors.New("--hooks fentry: this version has the stable set only: use --hooks stable or auto")
	}
	if err := probe.Preflight(); err != nil {
		return err
	}
	s := &session{env: e, config: config, clock: ktime.NewClock(), owners: owner.NewResolver(), ranges: pool.NewRanges()}
	defer s.owners.Close()

	file, err := s.createRecording()
	if err != nil {
		return err
	}
	if file != nil {
		defer func() { err = joinNew(err, file.Close()) }()
	}
	if err := s.open(); err != nil {
		if file != nil {
			err = joinNew(err, file.Discard()) // it would be empty
		}
		return err
	}
	defer func() { err = joinNew(err, s.probe.Close()) }()
	return s.run(ctx, s.sinks(file))
}

// joinNew is errors.Join but for errors that err has said already, as a recording's
// Close repeats what its Write said.
func joinNew(err, more error) error {
	if more == nil || errors.Is(err, more) {
		return err
	}
	return errors.Join(err, more)
}

// createRecording makes the recording's file, nil if it goes elsewhere or nowhere.
func (s *session) createRecording() (*recording.File, error) {
	if s.config.Output == "" || s.config.Output == "-" {
		return nil, nil
	}
	return recording.Create(s.config.Output, recording.Options{
		SudoUID: s.env.getenv("SUDO_UID"),
		SudoGID: s.env.getenv("SUDO_GID"),
	})
}

func (s *session) open() error {
	c := s.config
	options := probe.Options{
		Explicit: c.Explicit, States: c.States,
		TCP: c.TCP, UDP: c.UDP, IPv4: c.IPv4, IPv6: c.IPv6,
		NetNS: c.NetNS, BufferSize: c.BufferSize,
	}
	if !c.Ports.Empty() {
		ports := c.Ports.Bitmap()
		options.Ports = &ports
	}
	p, err := probe.Open(options)
	if err != nil {
		return err
	}
	s.probe = p
	for _, what := range p.Missing() {
		s.notice("this kernel does not show %s", what)
	}
	s.live = live.New(p, live.Options{
		Clock: s.clock, Owners: s.owners, States: c.States, NetNS: c.NetNS, Losses: s.lost,
	})
	unfiltered := c.Ports.Empty() && c.IPv4 && c.IPv6
	s.book = pool.NewBook(s.ranges, s.live.Tracker(), unfiltered, s.clock.Wall(ktime.Now()))
	if f := s.holdFilter(); f != nil {
		s.filter = filter.NewStage(*f)
	}
	return nil
}

// holdFilter is what the kernel side does not filter by itself, nil if that is nothing.
func (s *session) holdFilter() *filter.Filter {
	c := s.config
	f := &filter.Filter{PIDs: c.PIDs, Comms: c.Comms, UIDs: c.UIDs, Dst: c.Dst, Src: c.Src}
	if !c.Ports.Empty() {
		f.CouldMeet = s.couldMeetPorts
	}
	if len(f.PIDs)+len(f.Comms)+len(f.UIDs)+len(f.Dst)+len(f.Src) == 0 && f.CouldMeet == nil {
		return nil
	}
	return f
}

// couldMeetPorts says whether a failed search went through a port asked for: whether
// the namespace's range holds one.
func (s *session) couldMeetPorts(info *lifetime.FailureInfo) bool {
	if info.Port != 0 {
		return s.config.Ports.Contains(info.Port)
	}
	rng := s.ranges.Get(info.NetNS, info.Owner.PID)
	if rng == nil {
		return true
	}
	for _, ports := range s.config.Ports.Ranges() {
		if ports[0] <= rng.Hi && ports[1] >= rng.Lo {
			return true
		}
	}
	return false
}

// sinks returns where records go, the recording first.
func (s *session) sinks(file *recording.File) []pipeline.Sink {
	var sinks []pipeline.Sink
	switch {
	case file != nil:
		sinks = append(sinks, file)
	case s.config.Output == "-":
		sinks = append(sinks, recording.NewWriter(s.env.stdout))
	}
	width, isTerminal := s.env.terminal()
	switch s.config.Show {
	case showJSON:
		sinks = append(sinks, recording.NewWriter(s.env.stdout))
	case showTable:
		sinks = append(sinks, terminal.New(s.env.stdout, terminal.Options{
			Width:    width,
			Color:    isTerminal && s.env.getenv("NO_COLOR") == "",
			States:   s.config.States,
			Location: s.env.now().Location(),
		}))
	}
	return sinks
}

func (s *session) run(ctx context.Context, sinks []pipeline.Sink) error {
	if s.config.Output != "" && s.config.Output != "-" {
		s.notice("recording to %s", s.config.Output)
	}
	err := pipeline.Run(ctx, s, sinks...)
	if s.env.getenv("PORTTRACE_BPF_STATS") == "1" {
		s.writeStats()
	}
	cut := s.config.Output != "" && sinks[0].Flush() != nil // it says again what Write said
	s.sumUp(cut)
	if s.failed != nil {
		return s.failed
	}
	return err
}

// begin describes the trace and hands over what is held at its start.
func (s *session) begin(emit func(*lifetime.Record)) error {
	start, err := s.startRecord()
	if err != nil {
		return err
	}
	emit(&start)
	s.checkNetNS(start.Start.Pools)
	if err := s.firstLook(start.Start.Pools, s.through(emit)); err != nil {
		return err
	}
	s.notice("tracing")
	if s.config.Duration > 0 {
		time.AfterFunc(s.config.Duration, s.live.Stop)
	}
	return nil
}

// firstLook hands over what is held already, after the answer about ports if a person
// asked for it.
func (s *session) firstLook(pools []lifetime.Range, rows func(*lifetime.Record)) error {
	if s.config.Show != showTable || s.config.Ports.Empty() {
		return s.live.Snapshot(rows)
	}
	var held []lifetime.Record
	err := s.live.Snapshot(func(r *lifetime.Record) { held = append(held, keep(r)) })
	if err == nil {
		err = terminal.WritePorts(s.env.stdout, s.portAnswers(pools))
	}
	for i := range held { // also after an error: the recording is to be whole
		rows(&held[i])
	}
	return err
}

// keep returns a record that lasts.
func keep(r *lifetime.Record) lifetime.Record {
	kept := *r
	if r.Hold != nil {
		h := *r.Hold
		kept.Hold = &h
	}
	return kept
}

// Next implements pipeline.Source. An error ends the trace as a signal does, so that the
// recording gets its tail and its end.
func (s *session) Next(emit func(*lifetime.Record)) error {
	err := s.next(emit)
	if err == nil || errors.Is(err, io.EOF) || s.failed != nil {
		return err
	}
	s.failed = err
	s.live.Stop()
	return nil
}

func (s *session) next(emit func(*lifetime.Record)) error {
	if !s.begun {
		s.begun = true
		return s.begin(emit)
	}
	if err := s.live.Next(s.through(emit)); err != nil {
		return err
	}
	now := s.clock.Wall(ktime.Now())
	if s.book.NeedsStates(now) {
		if err := s.live.Refresh(); err != nil {
			return err
		}
	}
	s.book.Report(now, s.filtered(emit))
	return nil
}

// Stop implements pipeline.Source.
func (s *session) Stop() { s.live.Stop() }

// through leads records through the pools, then the filter, to emit.
func (s *session) through(emit func(*lifetime.Record)) func(*lifetime.Record) {
	shown := s.filtered(emit)
	return func(r *lifetime.Record) { s.book.Observe(r, shown) }
}

func (s *session) filtered(emit func(*lifetime.Record)) func(*lifetime.Record) {
	noting := func(r *lifetime.Record) {
		if r.Type == lifetime.End {
			end := *r.End
			s.end = &end
		}
		emit(r)
	}
	if s.filter == nil {
		return noting
	}
	return func(r *lifetime.Record) { s.filter.Apply(r, noting) }
}
