//go:build linux

package main

import (
	"os"
	"time"

	"porttrace/internal/backlog"
	"porttrace/internal/lifetime"
	"porttrace/internal/pipeline"
	"porttrace/internal/recording"
	"porttrace/internal/terminal"
)

// How much may wait for whoever reads standard output, in batches of 256 KiB: of a recording
// as much as for a disk, of a table less, for rows are for people, and old ones for nobody.
const (
	recordsWaiting = 256
	rowsWaiting    = 32
)

// shown is what goes to standard output.
type shown interface {
	pipeline.Sink
	Close() error
}

// sinks returns where records go, the recording first.
func (t *tracer) sinks() []pipeline.Sink {
	var sinks []pipeline.Sink
	if t.file != nil {
		sinks = append(sinks, &recorded{t.file, nil, t.ended})
	}
	switch {
	case t.config.Output == "-", t.config.Show == showJSON:
		t.out = t.standardOutput("record", recordsWaiting)
		w := recording.NewWriter(t.out)
		t.shown = w
		ended := t.ended
		if t.file != nil {
			ended = nil // the file is the recording
		}
		sinks = append(sinks, &recorded{w, t.out, ended})
	case t.config.Show == showTable:
		t.out = t.standardOutput("row", rowsWaiting)
		sinks = append(sinks, t.table()...)
	}
	return sinks
}

func (t *tracer) standardOutput(what string, batches int) *backlog.Stream {
	return backlog.New(t.env.stdout, backlog.Options{
		Name: "standard output", Record: what, Batches: batches, Notice: t.notice,
	})
}

func (t *tracer) table() []pipeline.Sink {
	width, isTerminal := t.env.terminal()
	table := terminal.New(t.out, terminal.Options{
		Width:    width,
		Color:    isTerminal && t.env.getenv("NO_COLOR") == "",
		States:   t.config.States,
		Columns:  t.config.Columns,
		More:     t.config.More,
		Location: t.env.now().Location(),
	})
	t.shown = table
	sinks := []pipeline.Sink{sparing{table, t}}
	if f, isFile := t.env.stdout.(*os.File); isFile && isTerminal {
		sinks = append(sinks, hangup{f})
	}
	return sinks
}

// ended takes the totals as the recording has them.
func (t *tracer) ended(end *lifetime.EndInfo) { t.end = end }

// recorder is a sink that may lack records.
type recorder interface {
	pipeline.Sink
	// Settle returns how many are missing for good.
	Settle() uint64
}

// recorded is a sink whose end record tells what that sink lacks.
type recorded struct {
	recorder
	out   *backlog.Stream         // nil: it is a file
	ended func(*lifetime.EndInfo) // nil: nobody asks
}

// Write implements pipeline.Sink.
func (s *recorded) Write(r *lifetime.Record) error {
	switch r.Type {
	case lifetime.HeldAtEnd:
		if s.out != nil {
			s.out.End() // no hook is left that could overrun the ring
		}
	case lifetime.End:
		return s.last(r)
	}
	return s.recorder.Write(r)
}

func (s *recorded) last(r *lifetime.Record) error {
	last, end := *r, *r.End
	missing := s.Settle()
	end.Lost += missing
	end.Complete = end.Complete && missing == 0
	last.End = &end
	if s.ended != nil {
		s.ended(&end)
	}
	return s.recorder.Write(&last)
}

// moment is how long the trace waits for the answer about ports to be read.
const moment = time.Second

// promptly writes, and waits a moment for that to be read.
type promptly struct{ *backlog.Stream }

// Write implements io.Writer.
func (p promptly) Write(text []byte) (int, error) {
	if _, err := p.Stream.Write(text); err != nil {
		return 0, err
	}
	p.Wait(moment)
	return len(text), p.Flush()
}
