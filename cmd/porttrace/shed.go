//go:build linux

package main

import (
	"fmt"
	"time"

	"porttrace/internal/budget"
	"porttrace/internal/event"
	"porttrace/internal/ktime"
	"porttrace/internal/lifetime"
	"porttrace/internal/pipeline"
	"porttrace/internal/terminal"
)

// thrift keeps a trace within --max-cpu.
type thrift struct {
	*budget.Budget
	told budget.Level // the most that was said to be left out in this spell
	lost uint64       // events, in this spell
}

func newThrift(percent int) *thrift {
	return &thrift{Budget: budget.New(percent, ktime.Now(), budget.Used())}
}

// level is what is left out now.
func (t *tracer) level() budget.Level {
	if t.thrift == nil {
		return budget.Full
	}
	return t.thrift.Level()
}

// spare keeps the trace within --max-cpu: it leaves out what it must, and says whether
// nothing is to be read now. The end of a trace takes what it takes.
func (t *tracer) spare(emit func(*lifetime.Record)) (rest bool, err error) {
	if t.thrift == nil || t.stopping {
		return false, nil
	}
	now, used := ktime.Now(), budget.Used()
	if t.thrift.Look(now, used) {
		if err := t.shed(now, emit); err != nil {
			return false, err
		}
	}
	pause := t.thrift.Pause(now, used)
	time.Sleep(pause)
	return pause > 0, nil
}

// leftOut is each level in words.
var leftOut = [...]string{
	budget.Latency: "events may be told 0.2 s later",
	budget.Detail:  "no states, no rows but failures, no pools and findings",
	budget.Owners:  "what new holds' owners run, and in what, stays unknown",
	budget.Events:  "events are LOST that the ring has no room for",
}

// shed goes over to another level, and tells it.
func (t *tracer) shed(now ktime.Time, emit func(*lifetime.Record)) error {
	b := t.thrift
	level, lasted := b.Level(), now.Sub(b.Since())
	err := t.live.Shed(level, float64(b.Percent())/100)
	for l := b.told + 1; l <= level; l++ {
		t.notice("over --max-cpu %d (%.1f %%): %s", b.Percent(), b.Used(), leftOut[l])
	}
	b.told = max(b.told, level)
	if level == budget.Full {
		lost := ""
		if b.lost > 0 {
			lost = fmt.Sprintf("; %s LOST to it", terminal.Count(b.lost, "event"))
		}
		t.notice("within --max-cpu %d again: nothing is left out any more, after %s%s", b.Percent(), terminal.Duration(lasted), lost)
		b.told, b.lost = budget.Full, 0
	}
	emit(&lifetime.Record{Type: lifetime.Shed, Time: t.clock.Wall(now), Shed: &lifetime.ShedInfo{
		What: level.Names(), Limit: b.Percent(), Used: b.Used(), For: lasted,
	}})
	return err
}

// Describe implements lifetime.Owners: those whose place is left out keep what the kernel
// told of them.
func (t *tracer) Describe(o event.Owner) lifetime.Owner {
	if t.level() < budget.Owners {
		return t.owners.Describe(o)
	}
	return lifetime.Owner{PID: o.PID, TID: o.TID, UID: o.UID, Comm: o.Comm.String()}
}

// NetNS implements lifetime.Owners: names are left out with the rest.
func (t *tracer) NetNS(inode uint32, at ktime.Time) lifetime.Interned[string] {
	if t.level() < budget.Owners {
		return t.owners.NetNS(inode, at)
	}
	return lifetime.Interned[string]{}
}

var _ pipeline.Sink = sparing{}

// sparing leaves out of the table what is left out.
type sparing struct {
	pipeline.Sink
	trace *tracer
}

// Write implements pipeline.Sink.
func (s sparing) Write(r *lifetime.Record) error {
	if s.trace.level() >= budget.Detail && r.Type != lifetime.Failure {
		return nil
	}
	return s.Sink.Write(r)
}
