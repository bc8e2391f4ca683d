package scenario

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"sync"
	"testing"

	"porttrace/internal/diagnose"
	"porttrace/internal/ktime"
	"porttrace/internal/lifetime"
	"porttrace/internal/probe"
	"porttrace/internal/recording"
	"porttrace/internal/testutil"
)

// diagnosed is a trace with an engine, as cmd/porttrace arranges it.
type diagnosed struct {
	*traced
	tr     *trace
	engine *diagnose.Engine

	mu       sync.Mutex
	findings []diagnose.Finding // of the last judgement
	fresh    []news
}

// news is a finding when it was new.
type news struct {
	diagnose.Finding
	at ktime.Wall
}

// attachDiagnosed has the hooks see from now on; begin reads what they tell.
func attachDiagnosed(t *testing.T, options probe.Options) *diagnosed {
	t.Helper()
	tr := attach(t, options)
	return &diagnosed{traced: tr.source, tr: tr, engine: diagnose.NewLive()}
}

// begin tells the namespaces there are, and traces.
func (d *diagnosed) begin() {
	d.tr.t.Helper()
	ranges, err := d.tr.ranges.All()
	if err != nil {
		d.tr.t.Fatal(err)
	}
	info := &lifetime.StartInfo{Schema: recording.Schema}
	for _, rng := range ranges {
		info.Pools = append(info.Pools, rng.Range)
	}
	first := d.observed(d.tr.keep)
	first(&lifetime.Record{Type: lifetime.Start, Time: d.now(), Start: info})
	d.tr.run(d, func(r *lifetime.Record) { d.book.Observe(r, first) })
}

func (d *diagnosed) now() ktime.Wall { return d.tr.clock.Wall(ktime.Now()) }

func (d *diagnosed) observed(next func(*lifetime.Record)) func(*lifetime.Record) {
	return func(r *lifetime.Record) {
		_ = d.engine.Write(r)
		next(r)
	}
}

// Next implements pipeline.Source.
func (d *diagnosed) Next(emit func(*lifetime.Record)) error {
	seen := d.observed(emit)
	if err := d.traced.Next(seen); err != nil {
		return err
	}
	now := d.now()
	if d.book.NeedsStates(now) {
		if err := d.Refresh(); err != nil {
			return err
		}
	}
	d.book.Report(now, seen)
	judge, states := d.engine.Due(now)
	if !judge {
		return nil
	}
	if states {
		if err := d.Refresh(); err != nil {
			return err
		}
		d.Tracker().Each(d.engine.See)
	}
	d.engine.Ranges(func(netns, pid uint32) (lifetime.Range, bool) {
		rng := d.tr.ranges.Get(netns, pid)
		if rng == nil {
			return lifetime.Range{}, false
		}
		return rng.Range, true
	})
	d.engine.Judge(now)
	d.mu.Lock()
	defer d.mu.Unlock()
	d.findings = d.engine.Findings()
	for _, f := range d.engine.Fresh() {
		d.fresh = append(d.fresh, news{f, now})
	}
	return nil
}

// of returns what the last judgement found in a namespace.
func (d *diagnosed) of(ns *testutil.NetNS) []diagnose.Finding {
	d.mu.Lock()
	defer d.mu.Unlock()
	return within(d.findings, ns)
}

// told returns when a kind of finding was new in a namespace, and how it was then.
func (d *diagnosed) told(ns *testutil.NetNS, id diagnose.ID) (news, bool) {
	d.mu.Lock()
	defer d.mu.Unlock()
	i := slices.IndexFunc(d.fresh, func(n news) bool { return n.ID == id && n.Pool.NetNS == ns.Inode })
	if i < 0 {
		return news{}, false
	}
	return d.fresh[i], true
}

func within(findings []diagnose.Finding, ns *testutil.NetNS) (found []diagnose.Finding) {
	for _, f := range findings {
		if f.Pool != nil && f.Pool.NetNS == ns.Inode {
			found = append(found, f)
		}
	}
	return found
}

// reported is what an engine finds in the recording of a trace.
func (tr *trace) reported() []diagnose.Finding {
	tr.t.Helper()
	var file bytes.Buffer
	w := recording.NewWriter(&file)
	for _, r := range tr.all(func(*told) bool { return true }) {
		if r.Port != 0 {
			r.Record.Hold = &r.Hold
		}
		if err := w.Write(&r.Record); err != nil {
			tr.t.Fatal(err)
		}
	}
	if err := w.Flush(); err != nil {
		tr.t.Fatal(err)
	}
	engine := diagnose.New()
	for reader := recording.NewReader(&file); ; {
		r, err := reader.Read()
		if errors.Is(err, io.EOF) {
			return engine.Findings()
		}
		if err != nil {
			tr.t.Fatal(err)
		}
		_ = engine.Write(r)
	}
}

// tell lists findings, for a failing test.
func tell(findings []diagnose.Finding) string {
	var b strings.Builder
	for _, f := range findings {
		fmt.Fprintf(&b, "  %s %s: %s (because %v) %v %v\n", f.Severity, f.ID, f.Title, f.Because, f.Culprit, f.Evidence)
	}
	return b.String()
}
