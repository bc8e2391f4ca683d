package page

import (
	"testing"

	"porttrace/internal/event"
	"porttrace/internal/lifetime"
)

// tape keeps records, to be played without the cost of making them.
type tape struct{ records []lifetime.Record }

func (p *tape) Flush() error { return nil }

func (p *tape) Write(r *lifetime.Record) error {
	kept := *r
	if r.Hold != nil {
		hold := *r.Hold
		kept.Hold = &hold
	}
	p.records = append(p.records, kept)
	return nil
}

// The reader and the page share a core that is to take 500,000 records a second.
func BenchmarkWrite(b *testing.B) {
	var p tape
	incident(newWorkload(&p), 300_007)
	for b.Loop() {
		c := New(Options{})
		for i := range p.records {
			if err := c.Write(&p.records[i]); err != nil {
				b.Fatal(err)
			}
		}
		if c.spreads[event.TimeWait].count == 0 {
			b.Fatal("there were no lifetimes")
		}
	}
	b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/float64(len(p.records)), "ns/record")
}
