// Package scenario runs known workloads on the real kernel and compares what the
// tracer records with what was done and with the kernel's own tables.
package scenario

import (
	"context"
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	"porttrace/internal/event"
	"porttrace/internal/ktime"
	"porttrace/internal/lifetime"
	"porttrace/internal/live"
	"porttrace/internal/owner"
	"porttrace/internal/pipeline"
	"porttrace/internal/pool"
	"porttrace/internal/probe"
	"porttrace/internal/testutil"
)

// patience is how long a condition may take to come true on a loaded machine.
const patience = 30 * time.Second

// told is a record that lasts.
type told struct {
	lifetime.Record
	lifetime.Hold // zero where the record has none
}

// trace is a running tracer as a test, or a part of one, sees it.
type trace struct {
	t *testing.T
	*tracer
}

// with is the trace for a part of the test.
func (tr *trace) with(t *testing.T) *trace { return &trace{t, tr.tracer} }

// tracer is probe, tracker and pools as the program has them, with a sink that remembers.
type tracer struct {
	probe  *probe.Probe
	clock  *ktime.Clock
	ranges *pool.Ranges
	source *traced
	cancel context.CancelFunc
	done   chan error

	mu      sync.Mutex
	records []told

	corrections []lifetime.Correction // written by the tracer's goroutine, read after it
	lossy       bool                  // the test makes it lose
}

// traced is the live kernel seen through the pools, as cmd/porttrace arranges it.
type traced struct {
	*live.Source
	book *pool.Book
	// A test that holds it keeps the tracer from reading its ring.
	stalled sync.Mutex
}

func (s *traced) Next(emit func(*lifetime.Record)) error {
	s.stalled.Lock()
	defer s.stalled.Unlock()
	return s.Source.Next(func(r *lifetime.Record) { s.book.Observe(r, emit) })
}

// everything is what most scenarios trace.
func everything() probe.Options {
	return probe.Options{TCP: true, UDP: true, IPv4: true, IPv6: true}
}

// start begins to trace; the test's end stops it if the test has not.
func start(t *testing.T, options probe.Options) *trace {
	t.Helper()
	tr := attach(t, options)
	tr.run(tr.source, tr.keep)
	return tr
}

// attach has the hooks see from now on; run reads what they tell.
func attach(t *testing.T, options probe.Options) *trace {
	t.Helper()
	testutil.NeedBPF(t)
	if options.Hooks == "" {
		options.Hooks = testutil.Hooks(t)
	}
	owners := owner.NewResolver()
	t.Cleanup(func() { owners.Close() })
	gone, err := probe.WatchCgroups()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { gone.Close() })
	owners.AskGone(gone.Path)
	p, err := probe.Open(options)
	if err != nil {
		t.Fatalf("opening the probe: %v", err)
	}
	t.Cleanup(func() {
		if err := p.Close(); err != nil {
			t.Errorf("closing the probe: %v", err)
		}
	})
	tr := &trace{t, &tracer{probe: p, clock: ktime.NewClock(), ranges: pool.NewRanges(), done: make(chan error, 1)}}
	src := live.New(p, live.Options{
		Clock: tr.clock, Owners: owners, States: options.States, NetNS: options.NetNS,
		Corrected: func(c lifetime.Corrections, _ live.Explanation) {
			tr.corrections = append(tr.corrections, c.Details...)
		},
	})
	book := pool.NewBook(tr.ranges, src.Tracker(), options.Ports == nil, tr.clock.Wall(ktime.Now()))
	tr.source = &traced{Source: src, book: book}
	return tr
}

// run takes the first look, which goes to first, and then reads from src until stop.
func (tr *trace) run(src pipeline.Source, first func(*lifetime.Record)) {
	tr.t.Helper()
	if err := tr.source.Snapshot(first); err != nil {
		tr.t.Fatalf("taking the first look: %v", err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	tr.cancel = cancel
	go func() { tr.done <- pipeline.Run(ctx, src, tr) }()
	tr.t.Cleanup(func() {
		if tr.cancel != nil {
			tr.stop()
		}
	})
}

// Write implements pipeline.Sink.
func (tr *trace) Write(r *lifetime.Record) error { tr.keep(r); return nil }

// Flush implements pipeline.Sink.
func (tr *trace) Flush() error { return nil }

func (tr *trace) keep(r *lifetime.Record) {
	kept := told{Record: *r}
	if r.Hold != nil {
		kept.Hold = *r.Hold
		kept.Record.Hold = nil
	}
	tr.mu.Lock()
	defer tr.mu.Unlock()
	tr.records = append(tr.records, kept)
}

// all returns the records so far that pick picks.
func (tr *trace) all(pick func(*told) bool) []told {
	tr.mu.Lock()
	defer tr.mu.Unlock()
	var found []told
	for i := range tr.records {
		if pick(&tr.records[i]) {
			found = append(found, tr.records[i])
		}
	}
	return found
}

// in picks the records of a type in a namespace, and not in an earlier one with its inode
// number, that also match every further pick.
func in(ns *testutil.NetNS, typ lifetime.Type, more ...func(*told) bool) func(*told) bool {
	return func(r *told) bool {
		here := r.Hold.NetNS == ns.Inode
		if r.Failure != nil {
			here = r.Failure.NetNS == ns.Inode
		}
		if r.Pool != nil {
			here = r.Pool.NetNS == ns.Inode
		}
		if r.Type != typ || !here || r.Time < ktime.Wall(ns.Born.UnixNano()) {
			return false
		}
		for _, pick := range more {
			if !pick(r) {
				return false
			}
		}
		return true
	}
}

func byPort(port uint16) func(*told) bool {
	return func(r *told) bool { return r.Port == port }
}

func byProto(proto event.Proto) func(*told) bool {
	return func(r *told) bool { return r.Proto == proto }
}

// since picks the holds that were taken after a time of trace.now: an earlier one may have
// had the same port.
func since(t ktime.Wall) func(*told) bool {
	return func(r *told) bool { return r.Assigned >= t }
}

func byPath(path event.Path) func(*told) bool {
	return func(r *told) bool { return r.Path == path }
}

// now is the trace's clock, which its records have their times from.
func (tr *trace) now() ktime.Wall { return tr.clock.Wall(ktime.Now()) }

// wait waits until n records are picked, and fails the test if that takes too long or
// if there are more.
func (tr *trace) wait(n int, what string, pick func(*told) bool) []told {
	tr.t.Helper()
	deadline := time.Now().Add(patience)
	for {
		found := tr.all(pick)
		if len(found) == n {
			return found
		}
		if len(found) > n || time.Now().After(deadline) {
			tr.t.Fatalf("%s: %d records, want %d\n%s", what, len(found), n, tr.dump())
		}
		time.Sleep(5 * time.Millisecond)
	}
}

// one waits for the one record that is picked.
func (tr *trace) one(what string, pick func(*told) bool) told {
	tr.t.Helper()
	return tr.wait(1, what, pick)[0]
}

// stop ends the trace, checks the invariants that hold for every trace, and returns
// the end record.
func (tr *trace) stop() *lifetime.EndInfo {
	tr.t.Helper()
	tr.cancel()
	tr.cancel = nil
	if err := <-tr.done; err != nil {
		tr.t.Fatalf("tracing: %v", err)
	}
	tr.checkInvariants()
	ends := tr.all(func(r *told) bool { return r.Type == lifetime.End })
	if len(ends) != 1 {
		tr.t.Fatalf("%d end records, want 1", len(ends))
	}
	return ends[0].End
}

// checkInvariants checks conservation and arithmetic (DESIGN.md, 1 and 3) over the
// whole host, whatever else went on there.
func (tr *trace) checkInvariants() {
	tr.t.Helper()
	end := tr.checkSums()
	if unseen := tr.unseen(); end != nil && unseen > 0 && end.Lost == unseen && end.Discrepancies <= unseen && unseen <= rarely(end) {
		tr.t.Logf("the kernel kept %d events from us:\n%s", end.Lost, tr.amiss())
		return
	}
	if end != nil && (end.Lost != 0 || end.Reconciled != 0 || end.Discrepancies != 0 || !end.Complete) && !tr.lossy {
		tr.t.Errorf("lost %d events, %d corrected, %d of them without a loss, complete %v:\n%s",
			end.Lost, end.Reconciled, end.Discrepancies, end.Complete, tr.amiss())
	}
}

// checkSums checks what holds with losses, too.
func (tr *trace) checkSums() (end *lifetime.EndInfo) {
	tr.t.Helper()
	began, ended := map[uint64]told{}, map[uint64]bool{}
	var held, before, assigned, released uint64
	for _, r := range tr.all(func(*told) bool { return true }) {
		switch r.Type {
		case lifetime.Assign, lifetime.HeldAtStart:
			if _, twice := began[r.ID]; twice {
				tr.t.Errorf("hold %d began twice", r.ID)
			}
			began[r.ID] = r
			if r.Type == lifetime.Assign {
				assigned++
			} else {
				before++
			}
		case lifetime.Release:
			released++
			if _, ok := began[r.ID]; !ok || ended[r.ID] {
				tr.t.Errorf("hold %d (port %d) ended twice or never began", r.ID, r.Port)
			}
			ended[r.ID] = true
			tr.checkTimes(&r)
		case lifetime.HeldAtEnd:
			held++
			tr.checkTimes(&r)
		case lifetime.End:
			end = r.End
		}
	}
	if held != before+assigned-released {
		tr.t.Errorf("conservation: %d held, %d before + %d assigned - %d released", held, before, assigned, released)
	}
	if end != nil && (end.Held != held || end.Assigned != assigned || end.Released != released || end.BeforeStart != before) {
		tr.t.Errorf("end record %+v, counted %d before, %d assigned, %d released, %d held", *end, before, assigned, released, held)
	}
	return end
}

func (tr *trace) checkTimes(r *told) {
	tr.t.Helper()
	if r.Assigned == 0 {
		return
	}
	if r.Assigned > r.Time {
		tr.t.Errorf("hold %d (port %d) is assigned at %v and over at %v", r.ID, r.Port, r.Assigned.Time(), r.Time.Time())
	}
	if got := r.Time.Sub(r.Assigned); got != r.HeldFor() {
		tr.t.Errorf("hold %d (port %d): states add up to %v, it was held %v", r.ID, r.Port, r.HeldFor(), got)
	}
}

// dump lists what was recorded, for a failing test.
func (tr *trace) dump() string {
	var b strings.Builder
	for _, r := range tr.all(func(*told) bool { return true }) {
		switch {
		case r.Failure != nil:
			fmt.Fprintf(&b, "  failure %+v\n", *r.Failure)
		case r.Port != 0:
			fmt.Fprintf(&b, "  type %d id %d ns %d %s %s:%d -> %s %s %s %s %v by %s/%d\n", r.Type, r.ID, r.Hold.NetNS,
				r.Proto, r.Src, r.Port, r.Dst, r.Path, r.Hold.State, r.Reason, r.States, r.Owner.Comm, r.Owner.PID)
		}
	}
	return b.String()
}
