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
	worst       lifetime.FailureInfo // the latest, with the most use measured
	waiting     int                  // in TIME_WAIT then; negative: unknown
	news        bool                 // since the last judgement
	parties     map[*party]*tally
}

// tally is a party and how many of something are its.
type tally struct {
	suspect
	n int
}

// measured takes the use of the pool, if it is fuller than was known: the numbers that
// come with a failure may be those of a moment before.
func (f *failed) measured(inUse, usable, waiting int) {
	if inUse < 0 || usable < 0 {
		return
	}
	if w := &f.worst; w.InUse < 0 || fullness(inUse, usable) >= fullness(w.InUse, w.Usable) {
		w.InUse, w.Usable, f.waiting, f.news = inUse, usable, waiting, true
	}
}

// fullness is the share in use, and 1 where nothing may be used.
func fullness(inUse, usable int) float64 {
	if usable <= 0 {
		return 1
	}
	return share(inUse, usable)
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
		of = &failed{first: at, worst: *f, waiting: -1, parties: map[*party]*tally{}}
		p.failures[f.Cause] = of
		e.due = min(e.due, e.judged+ktime.Wall(shortest))
	}
	inUse, usable, waiting := of.worst.InUse, of.worst.Usable, of.waiting
	of.worst, of.waiting = *f, -1
	of.measured(inUse, usable, waiting)
	if rng, ok := e.ranges[f.NetNS]; ok && f.Cause == lifetime.RangeReserved {
		rng.Usable = 0
		e.ranges[f.NetNS] = rng
	}
	of.n++
	of.news = true
	of.last = max(of.last, at)
	who := e.party(&f.Owner)
	if of.parties[who] == nil {
		if len(of.parties) >= 64 {
			return
		}
		of.parties[who] = &tally{suspect: suspect{party: who}}
	}
	of.parties[who].n++
	of.parties[who].meet(f.Owner.PID)
}

// who is the party that met it most.
func (f *failed) who() suspect { return most(f.parties).suspect }

// most is the tally with the most, an empty one if there is none.
func most(of map[*party]*tally) (top tally) {
	for _, t := range of {
		if t.n > top.n || t.n == top.n && t.before(top.party) {
			top = *t
		}
	}
	return top
}
