package diagnose

import (
	"cmp"
	"maps"
	"slices"

	"porttrace/internal/ktime"
	"porttrace/internal/pool"
)

// What has been is forgotten beyond these bounds: a crawler makes a place for every
// destination, and a host of short-lived containers a party for every one. A tracer fills
// them over its first minutes or hours (a place takes about 1 KiB), which is not a leak.
const (
	maxPlaces  = 1 << 12 // that stand empty
	maxParties = 1 << 12 // that hold nothing
	maxFixed   = 1 << 14 // ports that were asked for by number
	maxFound   = 1 << 10
	maxSpare   = 1 << 10 // holdings kept for the next
)

// sweep forgets places that stand empty, those that failed lately excepted.
func (e *Engine) sweep() {
	type failure struct {
		of   pool.Key
		last ktime.Wall
	}
	var failed []failure
	for k, p := range e.places {
		switch {
		case p.live > 0 || p.told && e.now.Sub(p.toldAt) < memory:
		case len(p.failures) > 0:
			failed = append(failed, failure{k, p.failedAt()})
		default:
			delete(e.places, k)
		}
	}
	if over := len(failed) - maxPlaces/2; over > 0 {
		slices.SortFunc(failed, func(a, b failure) int { return cmp.Compare(a.last, b.last) })
		for _, f := range failed[:over] {
			delete(e.places, f.of)
		}
	}
	e.room.places = len(e.places) * 3 / 2 // so that a sweep costs little for each place
}

func (p *place) failedAt() (last ktime.Wall) {
	for _, f := range p.failures {
		last = max(last, f.last)
	}
	return last
}

// sweepParties forgets parties that nothing is known of any more.
func (e *Engine) sweepParties() {
	used := map[*party]bool{}
	for _, p := range e.places {
		for who := range p.stakes {
			used[who] = true
		}
		for _, f := range p.failures {
			for who := range f.parties {
				used[who] = true
			}
		}
	}
	for _, g := range e.fixed {
		used[g.owner.party], used[g.taker.party] = true, true
	}
	for m := range e.found {
		used[m.who] = true
	}
	maps.DeleteFunc(e.parties, func(_ partyKey, who *party) bool { return !used[who] })
	e.room.parties = len(e.parties) * 3 / 2
}

// sweepFixed forgets ports asked for by number that nobody has, or lost. That may be none:
// it is no use to try again at once.
func (e *Engine) sweepFixed() {
	if e.room.fixed != 0 && e.now.Sub(e.room.fixed) < memory {
		return
	}
	e.room.fixed = e.now
	maps.DeleteFunc(e.fixed, func(_ fixedPort, g *giveaway) bool { return g.held == 0 && g.given == 0 })
}

// trim forgets the least of very many findings.
func (e *Engine) trim() {
	if len(e.found) < 2*maxFound {
		return
	}
	marks := slices.SortedFunc(maps.Keys(e.found), func(a, b mark) int { return compare(e.found[a], e.found[b]) })
	for _, m := range marks[maxFound:] {
		delete(e.found, m)
	}
	e.fresh = slices.DeleteFunc(e.fresh, func(m mark) bool { return e.found[m] == nil })
}
