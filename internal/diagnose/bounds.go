package diagnose

import (
	"cmp"
	"maps"
	"slices"

	"porttrace/internal/ktime"
)

// What has been is forgotten beyond these bounds: a crawler makes a place for every
// destination, and a host of short-lived containers a party for every one.
const (
	maxPlaces  = 1 << 15 // that stand empty, and of ports asked for by number
	maxParties = 1 << 15 // that hold nothing
	maxFound   = 1 << 10
)

// sweep forgets places that stand empty, those that failed lately excepted.
func (e *Engine) sweep() {
	var failed []*place
	for k, p := range e.places {
		switch {
		case p.live > 0 || p.told && e.now.Sub(p.toldAt) < memory:
		case len(p.failures) > 0:
			failed = append(failed, p)
		default:
			delete(e.places, k)
		}
	}
	if over := len(failed) - maxPlaces/2; over > 0 {
		slices.SortFunc(failed, func(a, b *place) int { return cmp.Compare(a.failedAt(), b.failedAt()) })
		for _, p := range failed[:over] {
			delete(e.places, p.key)
		}
	}
	e.room.places = 2 * len(e.places) // so that a sweep costs little for each place
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
		used[g.owner], used[g.taker] = true, true
	}
	for m := range e.found {
		used[m.who] = true
	}
	maps.DeleteFunc(e.parties, func(_ partyKey, who *party) bool { return !used[who] })
	e.room.parties = 2 * len(e.parties)
}

// sweepFixed forgets ports asked for by number that nobody has, or lost.
func (e *Engine) sweepFixed() {
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
