//go:build linux

package main

import (
	"context"
	"errors"
	"fmt"

	"porttrace/internal/backlog"
	"porttrace/internal/diagnose"
	"porttrace/internal/filter"
	"porttrace/internal/ktime"
	"porttrace/internal/lifetime"
	"porttrace/internal/live"
	"porttrace/internal/owner"
	"porttrace/internal/pipeline"
	"porttrace/internal/pool"
	"porttrace/internal/probe"
	"porttrace/internal/recording"
)

// tracer is one trace from the first look to the end record. It implements
// pipeline.Source: the live kernel, seen through pools and filters.
type tracer struct {
	env      *env
	config   traceConfig
	clock    *ktime.Clock
	owners   *owner.Resolver
	ranges   *pool.Ranges
	gone     *probe.CgroupWatch // nil: refused
	probe    *probe.Probe
	live     *live.Source
	book     *pool.Book
	engine   *diagnose.Engine
	filter   *filter.Stage   // nil: everything is shown
	file     *recording.File // nil: the recording goes elsewhere or nowhere
	out      *backlog.Stream // standard output; nil: nothing goes there
	shown    shown           // what goes there; nil: nothing
	renew    <-chan struct{} // a SIGHUP
	runtime  *runtimeStats   // nil: nobody asked
	thrift   *thrift         // nil: no limit
	begun    bool
	stopping bool              // Stop was called
	began    ktime.Time        // tracing
	failed   error             // what ended the trace before its time
	end      *lifetime.EndInfo // nil: no end record yet
}

func runTrace(ctx context.Context, renew <-chan struct{}, e *env, config traceConfig) (err error) {
	if err := probe.Preflight(probe.Set(config.Hooks)); err != nil {
		return err
	}
	t := &tracer{
		env: e, config: config, renew: renew,
		clock: ktime.NewClock(), owners: owner.NewResolver(), ranges: pool.NewRanges(),
		engine: diagnose.NewLive(), runtime: newRuntimeStats(e.getenv("PORTTRACE_RUNTIME_STATS")),
	}
	defer t.owners.Close()

	if err := t.createRecording(); err != nil {
		return err
	}
	if t.file != nil {
		defer func() { err = joinNew(err, t.file.Close()) }()
	}
	defer func() {
		if t.gone != nil {
			t.gone.Close()
		}
	}()
	if err := t.open(); err != nil {
		if t.file != nil {
			err = joinNew(err, t.file.Discard()) // it would be empty
		}
		return err
	}
	defer func() { err = joinNew(err, t.probe.Close()) }()
	sinks := t.sinks()
	if err := t.confine(); err != nil {
		if t.file != nil {
			err = joinNew(err, t.file.Discard())
		}
		return err
	}
	return t.run(ctx, sinks)
}

// joinNew is errors.Join but for errors that err has said already, as a recording's
// Close repeats what its Write said.
func joinNew(err, more error) error {
	if more == nil || errors.Is(err, more) {
		return err
	}
	return errors.Join(err, more)
}

// createRecording makes the recording's file, if it does not go elsewhere or nowhere.
func (t *tracer) createRecording() (err error) {
	if t.config.Output == "" || t.config.Output == "-" {
		return nil
	}
	t.file, err = recording.Create(t.config.Output, recording.Options{
		SudoUID:    t.env.getenv("SUDO_UID"),
		SudoGID:    t.env.getenv("SUDO_GID"),
		RotateSize: t.config.RotateSize,
		RotateKeep: t.config.RotateKeep,
		Notice:     t.notice,
	})
	return err
}

func (t *tracer) open() error {
	c := t.config
	options := probe.Options{
		Explicit: c.Explicit, States: c.States,
		TCP: c.TCP, UDP: c.UDP, IPv4: c.IPv4, IPv6: c.IPv6,
		NetNS: c.NetNS, BufferSize: c.BufferSize, MaxHolds: c.MaxHolds,
		Hooks: probe.Set(c.Hooks),
	}
	if !c.Ports.Empty() {
		ports := c.Ports.Bitmap()
		options.Ports = &ports
	}
	unwatched := t.watchCgroups() // before the first event, and nobody reads the ring meanwhile
	p, err := probe.Open(options)
	if err != nil {
		return err
	}
	t.probe = p
	t.notice("%s", chosen(p))
	for _, what := range p.Missing() {
		t.notice("this kernel does not show %s", what)
	}
	if unwatched != nil {
		t.notice("cgroups that are removed at once will have no path: %s", oneLine(unwatched.Error()))
	}
	probe.Loaded()
	t.live = live.New(p, live.Options{
		Clock: t.clock, Owners: t, States: c.States, NetNS: c.NetNS,
		Losses: t.lost, Corrected: t.corrected, Stepped: t.stepped,
	})
	unfiltered := c.Ports.Empty() && c.IPv4 && c.IPv6
	t.book = pool.NewBook(t.ranges, t.live.Tracker(), unfiltered, t.clock.Wall(ktime.Now()))
	if f := t.holdFilter(); !f.IsEmpty() {
		t.filter = filter.NewStage(f)
	}
	return nil
}

// watchCgroups is for owners whose cgroup is gone before their event is read.
func (t *tracer) watchCgroups() error {
	gone, err := probe.WatchCgroups()
	if err != nil {
		return err
	}
	t.gone = gone
	t.owners.AskGone(gone.Path)
	return nil
}

// chosen says which hooks are at work, and why not the others.
func chosen(p *probe.Probe) string {
	if why := p.Refused(); why != nil {
		return fmt.Sprintf("hooks: %s; not fentry: %s", p.Hooks(), oneLine(why.Error()))
	}
	return fmt.Sprintf("hooks: %s", p.Hooks())
}

// holdFilter is what the kernel side does not filter by itself.
func (t *tracer) holdFilter() filter.Filter {
	f := t.config.Holds
	if !t.config.Ports.Empty() {
		f.CouldMeet = t.couldMeetPorts
	}
	return f
}

// couldMeetPorts says whether a failed search went through a port asked for: whether
// the namespace's range holds one.
func (t *tracer) couldMeetPorts(info *lifetime.FailureInfo) bool {
	if info.Port != 0 {
		return t.config.Ports.Contains(info.Port)
	}
	rng := t.ranges.Get(info.NetNS, info.Owner.PID)
	if rng == nil {
		return true
	}
	for _, ports := range t.config.Ports.Ranges() {
		if ports[0] <= rng.Hi && ports[1] >= rng.Lo {
			return true
		}
	}
	return false
}

func (t *tracer) run(ctx context.Context, sinks []pipeline.Sink) error {
	if t.config.Output != "" && t.config.Output != "-" {
		t.notice("recording to %s", t.config.Output)
	}
	err := pipeline.Run(ctx, t, sinks...)
	var unshown error
	if t.shown != nil {
		unshown = t.shown.Close()
		err = joinNew(err, unshown)
	}
	if t.env.getenv("PORTTRACE_BPF_STATS") == "1" {
		t.writeStats()
	}
	t.sumUp()
	if t.shown != nil && unshown == nil {
		t.sumUpShown()
	}
	t.sumUpFindings()
	if t.failed != nil {
		return t.failed
	}
	return err
}
