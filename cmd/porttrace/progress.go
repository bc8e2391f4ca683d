//go:build linux

package main

import (
	"fmt"
	"strings"
	"time"

	"porttrace/internal/lifetime"
	"porttrace/internal/pipeline"
	"porttrace/internal/report"
	"porttrace/internal/terminal"
)

var _ pipeline.Sink = (*progress)(nil)

// progress is a sink that shows on a terminal how far reading has come, if it takes long:
// the pipeline flushes it several times a second.
type progress struct {
	env   *env // nil: nobody looks
	in    *report.Inputs
	began time.Time
	shown bool
}

// The bar appears when reading takes longer than this.
const patientFor = time.Second

// progressBar is the bar's width in columns.
const progressBar = 30

func newProgress(e *env, in *report.Inputs) *progress {
	p := &progress{in: in, began: e.now()}
	if _, all := in.Read(); all > 0 && e.watched() {
		p.env = e
	}
	return p
}

// Write does nothing.
func (p *progress) Write(*lifetime.Record) error { return nil }

// Flush shows the bar. Its error is always nil: a report is worth more than its bar.
func (p *progress) Flush() error {
	if p.env == nil {
		return nil
	}
	passed := p.env.now().Sub(p.began)
	if passed < patientFor {
		return nil
	}
	p.shown = true
	done, all := p.in.Read()
	share := min(1, float64(done)/float64(all))
	bar := strings.Repeat("#", int(share*progressBar))
	left := ""
	if share > 0 {
		left = ", " + terminal.Duration(time.Duration(float64(passed)*(1-share)/share)) + " left"
	}
	fmt.Fprintf(p.env.stderr, "\r\x1b[Kreading [%-*s] %3.0f %%%s", progressBar, bar, 100*share, left)
	return nil
}

// end takes the bar away.
func (p *progress) end() {
	if p.shown {
		fmt.Fprint(p.env.stderr, "\r\x1b[K")
	}
}
