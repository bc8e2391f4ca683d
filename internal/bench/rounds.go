package main

import (
	"context"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"time"
)

// bench is one call of the program.
type bench struct {
	options
	ctx            context.Context
	dir            string // for what tracers write
	kept           string // porttrace's latest recording there, to be read again; "" none
	stdout, stderr io.Writer
}

// sample is one storm under one contender.
type sample struct {
	storm  outcome
	cpu    time.Duration // of the tracer, while the storm ran and until it was through
	before time.Duration // CPU time of its start
	peak   uint64        // largest resident set of the tracer
	account
}

// series is all the storms of one contender with one number of clients.
type series struct {
	contender
	samples []sample
}

func (s series) figures(of func(sample) float64) []float64 {
	values := make([]float64, len(s.samples))
	for i, one := range s.samples {
		values[i] = of(one)
	}
	return values
}

func (s series) sum(of func(sample) uint64) (n uint64) {
	for _, one := range s.samples {
		n += of(one)
	}
	return n
}

// others is the share of the host's CPU time that went to neither storm nor tracer.
func (s sample) others() float64 {
	foreign := s.storm.Busy - s.storm.CPU - s.cpu
	return max(0, foreign.Seconds()/s.storm.Elapsed.Seconds()/float64(runtime.NumCPU()))
}

// compare runs all contenders in turns and prints how they did. bad says that
// porttrace lost something or recorded something else than what happened.
func (b *bench) compare(all []contender) (bad bool, err error) {
	b.title()
	// The first storm after a pause is slower than any later one.
	warm := b.options
	warm.seconds = min(0.5, b.seconds)
	if _, err := b.one(contender{name: "warm-up"}, warm, b.clients[0]); err != nil {
		return false, err
	}
	for _, clients := range b.clients {
		table, err := b.rounds(all, clients)
		if err != nil {
			return bad, err
		}
		b.results(clients, table)
		for _, s := range table {
			bad = bad || s.own && !s.sound()
		}
	}
	b.legend()
	return bad, nil
}

func (b *bench) rounds(all []contender, clients int) ([]series, error) {
	table := make([]series, len(all))
	for i, c := range all {
		table[i].contender = c
	}
	for round := range b.runs {
		fmt.Fprintf(b.stderr, "%s, round %d of %d:", several(clients, "client"), round+1, b.runs)
		for i, c := range all {
			s, err := b.one(c, b.options, clients)
			if err != nil {
				fmt.Fprintln(b.stderr)
				return nil, err
			}
			table[i].samples = append(table[i].samples, s)
			fmt.Fprintf(b.stderr, "  %s %s/s", c.name, thousands(uint64(s.storm.rate())))
		}
		fmt.Fprintln(b.stderr)
	}
	return table, nil
}

// one runs one storm. The tracer starts when the processes of the storm stand ready
// and stops while their namespace still exists.
func (b *bench) one(c contender, o options, clients int) (sample, error) {
	var s sample
	place, err := enter(b.ctx, o, clients)
	if err != nil {
		return s, b.why(err)
	}
	defer place.leave()
	if c.command == nil {
		s.storm, err = place.storm()
		return s, b.why(err)
	}
	t, err := c.start(b.ctx, b.dir)
	if err != nil {
		return s, b.why(err)
	}
	if s.storm, err = place.storm(); err != nil {
		t.kill()
		return s, b.why(err)
	}
	if err := t.stop(); err != nil {
		return s, b.why(err)
	}
	s.before, s.cpu = t.usage()
	s.peak = t.peak
	s.account, err = t.accountFor(s.storm)
	b.keep(t)
	return s, b.why(err)
}

// keep sets porttrace's recording aside in place of the one before, and deletes what
// others wrote.
func (b *bench) keep(t *tracer) {
	kept := filepath.Join(b.dir, "kept.jsonl")
	if t.own && os.Rename(t.output, kept) == nil {
		b.kept = kept
		return
	}
	os.Remove(t.output)
}

// why prefers the cause to the symptom: after Ctrl-C everything ends early.
func (b *bench) why(err error) error {
	if err != nil && b.ctx.Err() != nil {
		return fmt.Errorf("stopped: %w", b.ctx.Err())
	}
	return err
}

// sound says that all of it was recorded and nothing else.
func (s series) sound() bool {
	return !slices.ContainsFunc(s.samples, func(one sample) bool {
		return one.lost > 0 || one.recorded != one.expected || len(one.notes) > 0
	})
}
