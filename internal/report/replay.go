package report

import (
	"fmt"
	"io"

	"porttrace/internal/lifetime"
	"porttrace/internal/pipeline"
)

var _ pipeline.Source = (*replay)(nil)

// replay reads the files one after the other and tells a Collector which it is at.
type replay struct {
	in      *Inputs
	c       *Collector
	next    int
	now     *opened
	counted int64 // of now.bytes
	stopped bool
}

// Source returns the records of all files. Errors name the file, and are final. It can be
// read once.
func (in *Inputs) Source(c *Collector) pipeline.Source { return &replay{in: in, c: c} }

// Next implements pipeline.Source.
func (p *replay) Next(emit func(*lifetime.Record)) error {
	if p.stopped || p.now == nil && p.next == len(p.in.files) {
		return io.EOF
	}
	if p.now == nil {
		return p.open(emit)
	}
	err := p.now.Next(emit)
	p.count()
	if err == io.EOF {
		p.c.End(p.now.Torn())
		p.now.file.Close()
		p.now = nil
		p.next++
		return nil
	}
	return p.name(err)
}

// Stop implements pipeline.Source.
func (p *replay) Stop() { p.stopped = true }

func (p *replay) open(emit func(*lifetime.Record)) (err error) {
	f := p.in.files[p.next]
	p.counted = 0
	p.c.Begin(f.title())
	if f.kept != nil {
		p.now = f.kept
		emit(f.head)
		return nil
	}
	p.now, err = f.open(nil)
	return p.name(err)
}

func (p *replay) name(err error) error {
	if err == nil {
		return nil
	}
	return fmt.Errorf("%s: %w", p.in.files[p.next].title(), reason(err))
}

func (p *replay) count() {
	if p.in.files[p.next].size > 0 {
		p.in.read += p.now.bytes.n - p.counted
	}
	p.counted = p.now.bytes.n
}
