// Package pipeline is the only loop: a source yields records, sinks receive them. The
// live kernel and a recording are two sources of the same kind.
package pipeline

import (
	"context"
	"errors"
	"io"
	"time"

	"porttrace/internal/lifetime"
)

// Source yields records.
type Source interface {
	// Next hands over the records there are, waiting a little if there are none, and
	// returns io.EOF after the last. Records are reused after emit returns.
	Next(emit func(*lifetime.Record)) error
	// Stop asks for the end: Next hands over what is left, then returns io.EOF.
	Stop()
}

// Sink receives records in order, from one goroutine. An error stops the pipeline.
type Sink interface {
	Write(*lifetime.Record) error
	// Flush makes what was written visible. It is called several times
	// a second and at the end.
	Flush() error
}

// flushInterval is how old what a person sees may be; recordings promise a second.
const flushInterval = 250 * time.Millisecond

// Run moves records from the source to the sinks until the source ends. When ctx ends
// or a sink fails, the source is stopped and what it still has goes to the sinks that
// work. It returns the first error.
func Run(ctx context.Context, source Source, sinks ...Sink) error {
	r := &run{sinks: sinks, failed: make([]bool, len(sinks))}
	next := time.Now().Add(flushInterval)
	stopped := false
	for {
		err := source.Next(r.emit)
		if errors.Is(err, io.EOF) {
			r.flush()
			return r.err
		}
		if err != nil {
			r.flush()
			return errors.Join(err, r.err)
		}
		if now := time.Now(); !now.Before(next) {
			r.flush()
			next = now.Add(flushInterval)
		}
		if !stopped && (ctx.Err() != nil || r.err != nil) {
			stopped = true
			source.Stop()
		}
	}
}

type run struct {
	sinks  []Sink
	failed []bool
	err    error
}

func (r *run) emit(record *lifetime.Record) {
	for i, sink := range r.sinks {
		if !r.failed[i] {
			r.note(i, sink.Write(record))
		}
	}
}

func (r *run) flush() {
	for i, sink := range r.sinks {
		if !r.failed[i] {
			r.note(i, sink.Flush())
		}
	}
}

func (r *run) note(i int, err error) {
	if err != nil {
		r.failed[i] = true
		if r.err == nil {
			r.err = err
		}
	}
}
