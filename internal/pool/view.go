package pool

import (
	"cmp"
	"iter"
	"slices"

	"porttrace/internal/event"
)

// View is every pool as it stood when it was taken: what pool records say of a moment, for
// those who ask once.
type View struct{ census *census }

// NewView looks at the held set. It keeps nothing of it but the order: Seat.Hold.
func NewView(ranges *Ranges, holds Holds) *View { return &View{takeCensus(ranges, holds)} }

// Use is how many ports of a pool are in use, of how many.
type Use struct{ InUse, Usable int }

// Percent is the share in use.
func (u Use) Percent() float64 { return 100 * float64(u.InUse) / float64(max(u.Usable, 1)) }

// Standing is how full a pool is.
type Standing struct {
	Key
	Use
}

// Pools returns every pool that a hold draws from, the fullest first.
func (v *View) Pools() []Standing {
	var all []Standing
	for _, s := range v.census.spaces {
		if s.rng == nil {
			continue
		}
		for k := range s.draws {
			u := s.use(k)
			all = append(all, Standing{k, Use{u.inUse, u.usable}})
		}
	}
	slices.SortFunc(all, func(x, y Standing) int {
		return cmp.Or(cmp.Compare(y.Percent(), x.Percent()), cmp.Compare(y.InUse, x.InUse), x.compare(y.Key))
	})
	return all
}

func (k Key) compare(l Key) int {
	return cmp.Or(cmp.Compare(k.NetNS, l.NetNS), cmp.Compare(k.Proto, l.Proto), k.Src.Compare(l.Src), k.Dst.Compare(l.Dst))
}

// Evens is Use of the even ports alone. connect() looks at those of the range's own parity
// first, bind() at the others (__inet_hash_connect, inet_csk_find_open_port).
func (v *View) Evens(k Key) Use {
	s := v.census.spaces[k.NetNS]
	if s == nil || s.rng == nil {
		return Use{}
	}
	var taken, waiting, lacking portSet
	s.occupied(k, &taken, &waiting, &lacking)
	return Use{InUse: taken.evens(), Usable: s.rng.evens - lacking.evens()}
}

// Seat is a hold that counts in a pool.
type Seat struct {
	Port  uint16
	State event.State
	Hold  int // its number in the order that Holds told them, from 0
}

// Seats returns what is in use in a pool. Several may have the same port.
func (v *View) Seats(k Key) iter.Seq[Seat] {
	return func(yield func(Seat) bool) {
		s := v.census.spaces[k.NetNS]
		if s == nil {
			return
		}
		for seats := range s.seats(k) {
			for _, taken := range seats {
				if !yield(Seat{taken.port, taken.state, int(taken.hold)}) {
					return
				}
			}
		}
	}
}
