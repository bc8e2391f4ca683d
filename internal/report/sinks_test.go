package report

import (
	"errors"
	"testing"

	"porttrace/internal/filter"
	"porttrace/internal/ktime"
	"porttrace/internal/lifetime"
	"porttrace/internal/pipeline"
)

// books is a sink that keeps the books of a stream as of a trace of its own.
type books struct {
	t        *testing.T
	from, to ktime.Wall
	held     map[uint64]bool
	lifetime.EndInfo
	stayed uint64
	ends   int
}

func (b *books) Flush() error { return nil }

func (b *books) Write(r *lifetime.Record) error {
	if r.Type != lifetime.Start && (r.Time < b.from || r.Time > b.to) {
		b.t.Errorf("a record of %v, not from %v to %v", r.Time.Time(), b.from.Time(), b.to.Time())
	}
	switch r.Type {
	case lifetime.HeldAtStart, lifetime.Assign:
		if b.held[r.Hold.ID] {
			b.t.Errorf("hold %d begins twice", r.Hold.ID)
		}
		b.held[r.Hold.ID] = true
		if r.Type == lifetime.Assign {
			b.Assigned++
		} else {
			b.BeforeStart++
		}
	case lifetime.Release, lifetime.HeldAtEnd:
		if !b.held[r.Hold.ID] {
			b.t.Errorf("hold %d ends and has not begun", r.Hold.ID)
		}
		if held := r.Hold.HeldFor(); r.Hold.Assigned >= b.from && held != r.Time.Sub(r.Hold.Assigned) {
			b.t.Errorf("hold %d was held for %v of %v", r.Hold.ID, held, r.Time.Sub(r.Hold.Assigned))
		}
		delete(b.held, r.Hold.ID)
		if r.Type == lifetime.Release {
			b.Released++
		} else {
			b.stayed++
		}
	case lifetime.End:
		b.ends++
		e := r.End
		if e.BeforeStart != b.BeforeStart || e.Assigned != b.Assigned || e.Released != b.Released || e.Held != b.stayed {
			b.t.Errorf("the end says %+v, was %+v and %d held", *e, b.EndInfo, b.stayed)
		}
	}
	return nil
}

// What other sinks get of a part is a whole trace too.
func TestSinksGetWholeTrace(t *testing.T) {
	s := newStorm(11, 83, 19)
	s.lasting = true
	data := encode(s.records(3001))
	span := s.now - epoch
	for _, f := range []filter.Filter{{}, {Comms: []string{"curl", "java"}}} {
		for _, w := range [][2]ktime.Wall{{0, 0}, {span / 3, span / 2}, {span / 5, 0}, {0, span / 7}, {span / 4, span/4 + 1}} {
			b := &books{t: t, held: map[uint64]bool{}, from: epoch, to: s.now}
			opts := Options{Filter: f, Sinks: []pipeline.Sink{b}}
			if w[0] != 0 {
				opts.Since = epoch + w[0]
				b.from = opts.Since
			}
			if w[1] != 0 {
				opts.Until = epoch + w[1]
				b.to = opts.Until
			}
			got := reportOn(t, opts, data)
			if b.ends != 1 || len(b.held) != 0 {
				t.Errorf("%d ends, %d holds without one", b.ends, len(b.held))
			}
			if got.Counts != (Counts{b.BeforeStart, b.Assigned, b.Released, b.stayed}) {
				t.Errorf("the report has %+v, its sinks %+v and %d held", got.Counts, b.EndInfo, b.stayed)
			}
		}
	}
}

type failing struct{ err error }

func (f failing) Write(*lifetime.Record) error { return f.err }
func (f failing) Flush() error                 { return nil }

func TestSinkFails(t *testing.T) {
	in, err := OpenInputs([]string{file(t, t.TempDir(), "x", web())}, nil)
	if err != nil {
		t.Fatal(err)
	}
	c := New(Options{Sinks: []pipeline.Sink{failing{errors.New("no room")}}})
	if err := pipeline.Run(t.Context(), in.Source(c), c); err == nil || err.Error() != "no room" {
		t.Errorf("%v, want the sink's", err)
	}
}
