package pipeline

import (
	"context"
	"errors"
	"io"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"porttrace/internal/ktime"
	"porttrace/internal/lifetime"
)

// script is a source of numbered records: each step hands over some, waits or fails.
// After Stop it hands over its tail.
type script struct {
	steps   []step
	tail    []ktime.Wall
	stopped int
	calls   int
}

type step struct {
	records []ktime.Wall
	wait    time.Duration
	err     error
}

func (s *script) Stop() { s.stopped++ }

func (s *script) Next(emit func(*lifetime.Record)) error {
	s.calls++
	if s.stopped > 0 {
		give(s.tail, emit)
		return io.EOF
	}
	if len(s.steps) == 0 {
		return io.EOF
	}
	now := s.steps[0]
	s.steps = s.steps[1:]
	time.Sleep(now.wait)
	give(now.records, emit)
	return now.err
}

func give(records []ktime.Wall, emit func(*lifetime.Record)) {
	var reused lifetime.Record
	for _, at := range records {
		reused = lifetime.Record{Type: lifetime.Lost, Time: at}
		emit(&reused)
	}
}

// notebook is a sink that may fail from a record or a flush on.
type notebook struct {
	got         []ktime.Wall
	flushed     []time.Time
	failAt      ktime.Wall
	failFlush   error
	err         error
	afterFailed int
}

func (n *notebook) Write(r *lifetime.Record) error {
	if n.err != nil {
		n.afterFailed++
	}
	if n.failAt != 0 && r.Time == n.failAt {
		n.err = errors.New("disk full")
		return n.err
	}
	n.got = append(n.got, r.Time)
	return nil
}

func (n *notebook) Flush() error {
	if n.err != nil {
		n.afterFailed++
	}
	n.flushed = append(n.flushed, time.Now())
	if n.failFlush != nil {
		n.err = n.failFlush
	}
	return n.failFlush
}

func walls(n ...ktime.Wall) []ktime.Wall { return n }

func TestEverySinkGetsEverythingInOrder(t *testing.T) {
	source := &script{steps: []step{{records: walls(1, 2, 3)}, {}, {records: walls(4)}, {records: walls(5, 6), err: io.EOF}}}
	var a, b notebook
	if err := Run(t.Context(), source, &a, &b); err != nil {
		t.Fatal(err)
	}
	for _, sink := range []*notebook{&a, &b} {
		if want := walls(1, 2, 3, 4, 5, 6); !slices.Equal(sink.got, want) {
			t.Errorf("got %v, want %v", sink.got, want)
		}
		if len(sink.flushed) == 0 {
			t.Error("the end was not flushed")
		}
	}
	if source.stopped != 0 {
		t.Error("it was stopped, though it ended by itself")
	}
}

func TestWithoutSinks(t *testing.T) {
	if err := Run(t.Context(), &script{steps: []step{{records: walls(1)}}}); err != nil {
		t.Error(err)
	}
}

// Records come every 20 ms: a person sees them after a quarter of a second at the latest.
func TestFlushCadence(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		began := time.Now()
		source := &script{}
		for i := range 100 {
			source.steps = append(source.steps, step{records: walls(ktime.Wall(i + 1)), wait: 20 * time.Millisecond})
		}
		var sink notebook
		if err := Run(t.Context(), source, &sink); err != nil {
			t.Fatal(err)
		}
		last := began
		for _, at := range sink.flushed {
			if gap := at.Sub(last); gap > flushInterval+20*time.Millisecond {
				t.Errorf("nothing was flushed for %v", gap)
			}
			last = at
		}
		if end := began.Add(2 * time.Second); !last.Equal(end) {
			t.Errorf("the last flush came at %v, want at the end", last.Sub(began))
		}
		if n := len(sink.flushed); n > 2*4+1 {
			t.Errorf("%d flushes in 2 s: too many", n)
		}
	})
}

func TestEndOfContextStopsTheSourceOnceAndBringsTheTail(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithTimeout(t.Context(), 30*time.Millisecond)
		defer cancel()
		source := &script{tail: walls(8, 9)}
		for i := range 7 {
			source.steps = append(source.steps, step{records: walls(ktime.Wall(i + 1)), wait: 20 * time.Millisecond})
		}
		var sink notebook
		if err := Run(ctx, source, &sink); err != nil {
			t.Fatalf("an asked-for end is no error: %v", err)
		}
		if want := walls(1, 2, 8, 9); !slices.Equal(sink.got, want) {
			t.Errorf("got %v, want %v", sink.got, want)
		}
		if source.stopped != 1 {
			t.Errorf("Stop was called %d times", source.stopped)
		}
	})
}

func TestContextThatEndedBefore(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	source := &script{steps: []step{{records: walls(1)}, {records: walls(2)}}, tail: walls(3)}
	var sink notebook
	if err := Run(ctx, source, &sink); err != nil || !slices.Equal(sink.got, walls(1, 3)) {
		t.Errorf("got %v, %v, want the start and the tail", sink.got, err)
	}
}
