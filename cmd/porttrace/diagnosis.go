//go:build linux

package main

import (
	"fmt"
	"strings"

	"porttrace/internal/diagnose"
	"porttrace/internal/ktime"
	"porttrace/internal/lifetime"
	"porttrace/internal/terminal"
)

// At most so many findings are told at a time while tracing, and when it ends: a host with a
// thousand full pools has one problem.
const (
	toldAtOnce   = 5
	toldAtTheEnd = 3
)

// observed leads records to the engine on their way to next. It sees what the filters in Go
// keep from the sinks: who holds the ports that others cannot get.
func (t *tracer) observed(next func(*lifetime.Record)) func(*lifetime.Record) {
	return func(r *lifetime.Record) {
		_ = t.engine.Write(r)
		next(r)
	}
}

// diagnose tells new findings as they arise.
func (t *tracer) diagnose(now ktime.Wall) error {
	judge, states := t.engine.Due(now)
	if !judge {
		return nil
	}
	if states {
		if err := t.live.Refresh(); err != nil {
			return err
		}
		t.live.Tracker().Each(t.engine.See)
	}
	t.engine.Ranges(t.rangeOf)
	t.engine.Judge(now)
	fresh := t.engine.Fresh()
	for i, f := range fresh {
		if i == toldAtOnce {
			t.more(len(fresh) - i)
			break
		}
		t.notice("%s", finding(&f))
	}
	return nil
}

func (t *tracer) rangeOf(netns, pid uint32) (lifetime.Range, bool) {
	rng := t.ranges.Get(netns, pid)
	if rng == nil {
		return lifetime.Range{}, false
	}
	return rng.Range, true
}

func (t *tracer) more(n int) {
	if n == 1 {
		t.notice("and one more finding: porttrace report tells all of a recording")
		return
	}
	t.notice("and %d more findings: porttrace report tells all of a recording", n)
}

// finding is a finding on one line.
func finding(f *diagnose.Finding) string {
	line := fmt.Sprintf("%s: %s", f.Severity, f.Title)
	if in := culpritIn(f.Culprit); in != "" {
		line += "; culprit: " + terminal.Owner(f.Culprit) + ", " + in
	}
	if len(f.Because) > 0 {
		ids := make([]string, len(f.Because))
		for i, id := range f.Because {
			ids[i] = string(id)
		}
		line += " (because: " + strings.Join(ids, ", ") + ")"
	}
	return line
}

// culpritIn names the pod, container or unit of an owner, for a title has only names that a
// program gives itself.
func culpritIn(o *lifetime.Owner) string {
	if o == nil {
		return ""
	}
	place := o.Place.Value()
	if kind, _ := place.Telling(); kind == "cgroup" {
		return ""
	}
	return terminal.Place(&place)
}

// sumUpFindings ends the trace with what was found, and what to change.
func (t *tracer) sumUpFindings() {
	if t.end == nil {
		return
	}
	t.engine.Judge(0)
	findings := t.engine.Findings()
	for i, f := range findings {
		if i == toldAtTheEnd {
			t.more(len(findings) - i)
			break
		}
		t.notice("%s", finding(&f))
		t.notice("  to do: %s", f.Remedy)
	}
}
