package diagnose

import (
	"porttrace/internal/event"
	"porttrace/internal/ktime"
	"porttrace/internal/lifetime"
	"porttrace/internal/pool"
)

// failed is what could not be had in a place for one cause.
type failed struct {
	n           int
	first, last ktime.Wall
	worst       lifetime.FailureInfo // the latest, with the use measured last
	parties     map[*party]int
}

func (e *Engine) fail(f *lifetime.FailureInfo, at ktime.Wall) {
	k := pool.Key{NetNS: f.NetNS, Proto: f.Proto, Src: f.Src}
	if f.Path == event.Connect || f.Path == event.Explicit {
		k.Dst = f.Dst
	}
	p := e.place(k)
	if p.failures == nil {
		p.failures = map[lifetime.Cause]*failed{}
	}
	of := p.failures[f.Cause]
	if of == nil {
		of = &failed{first: at, worst: *f, parties: map[*party]int{}}
		p.failures[f.Cause] = of
		e.due = min(e.due, e.judged+ktime.Wall(shortest))
	}
	if f.InUse >= 0 || of.worst.InUse < 0 {
		of.worst = *f
	}
	of.n++
	of.last = max(of.last, at)
	if who := e.party(&f.Owner); len(of.parties) < 64 || of.parties[who] > 0 {
		of.parties[who]++
	}
}

// who is the party that met it most.
func (f *failed) who() (top *party) {
	for who, n := range f.parties {
		if top == nil || n > f.parties[top] || n == f.parties[top] && who.before(top) {
			top = who
		}
	}
	return top
}

// of returns the failures of a place for a cause, an empty set if there are none.
func (p *place) of(cause lifetime.Cause) *failed {
	if f := p.failures[cause]; f != nil {
		return f
	}
	return &failed{}
}
