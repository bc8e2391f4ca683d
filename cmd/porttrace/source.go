//go:build linux

package main

import (
	"errors"
	"io"

	"porttrace/internal/budget"
	"porttrace/internal/ktime"
	"porttrace/internal/lifetime"
	"porttrace/internal/terminal"
)

// begin describes the trace and hands over what is held at its start.
func (t *tracer) begin(emit func(*lifetime.Record)) error {
	start, err := t.startRecord()
	if err != nil {
		return err
	}
	t.observed(emit)(&start)
	if err := t.checkPrivileges(); err != nil {
		return err
	}
	t.checkPIDs()
	t.checkNetNS(start.Start.Pools)
	if err := t.firstLook(start.Start.Pools, t.through(emit)); err != nil {
		return err
	}
	t.notice("tracing")
	t.began = ktime.Now()
	if t.config.MaxCPU > 0 {
		t.thrift = newThrift(t.config.MaxCPU)
	}
	return nil
}

// firstLook hands over what is held already, after the answer about ports if a person
// asked for it.
func (t *tracer) firstLook(pools []lifetime.Range, rows func(*lifetime.Record)) error {
	if t.config.Show != showTable || t.config.Ports.Empty() {
		return t.live.Snapshot(rows)
	}
	var held []lifetime.Record
	err := t.live.Snapshot(func(r *lifetime.Record) { held = append(held, keep(r)) })
	if err == nil {
		err = terminal.WritePorts(promptly{t.out}, t.portAnswers(pools))
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
func (t *tracer) Next(emit func(*lifetime.Record)) error {
	err := t.next(emit)
	if err == nil || errors.Is(err, io.EOF) || t.failed != nil {
		return err
	}
	t.failed = err
	t.Stop()
	return nil
}

func (t *tracer) next(emit func(*lifetime.Record)) error {
	if !t.begun {
		t.begun = true
		return t.begin(emit)
	}
	t.renewIfAsked()
	t.writeRuntimeStats()
	// By the clock that goes on through suspend: a timer of Go's would sleep, too.
	if d := t.config.Duration; d > 0 && ktime.Now().Sub(t.began) >= d {
		t.Stop()
	}
	if rest, err := t.spare(t.observed(t.filtered(emit))); rest || err != nil {
		return err
	}
	if err := t.live.Next(t.through(emit)); err != nil || t.end != nil {
		return err // nothing comes after the end
	}
	if t.level() >= budget.Detail {
		return nil
	}
	now := t.clock.Wall(ktime.Now())
	if t.book.NeedsStates(now) {
		if err := t.live.Refresh(); err != nil {
			return err
		}
	}
	t.book.Report(now, t.observed(t.filtered(emit)))
	return t.diagnose(now)
}

// renewIfAsked begins a new file after a SIGHUP, or ends the trace if there is none.
func (t *tracer) renewIfAsked() {
	select {
	case <-t.renew:
	default:
		return
	}
	if t.file == nil {
		t.Stop()
		return
	}
	if err := t.file.Reopen(); err != nil {
		t.notice("%v", err)
	}
}

// Stop implements pipeline.Source.
func (t *tracer) Stop() {
	t.stopping = true
	t.live.Stop()
}

// through leads records through the pools, then the filter, to emit.
func (t *tracer) through(emit func(*lifetime.Record)) func(*lifetime.Record) {
	shown := t.observed(t.filtered(emit))
	return func(r *lifetime.Record) { t.book.Observe(r, shown) }
}

func (t *tracer) filtered(emit func(*lifetime.Record)) func(*lifetime.Record) {
	noting := func(r *lifetime.Record) {
		if r.Type == lifetime.End {
			end := *r.End
			t.end = &end
		}
		emit(r)
	}
	if t.filter == nil {
		return noting
	}
	return func(r *lifetime.Record) { t.filter.Apply(r, noting) }
}
