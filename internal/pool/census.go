package pool

import (
	"iter"
	"net/netip"

	"porttrace/internal/event"
	"porttrace/internal/lifetime"
)

// census is how every pool stood at one instant.
type census struct {
	ranges *Ranges
	holds  int
	spaces map[uint32]*space // by network namespace
}

// space is what is taken of one namespace's range.
type space struct {
	rng   *Range         // nil: cannot be read
	draws map[Key][]seat // by the pool that the port came from
	sits  map[site][]seat
	bound portSet // TCP ports that bind() or listen() made exclusive
	lacks int     // how many those are
}

// site is where a port is taken, whatever pool it came from.
type site struct {
	proto event.Proto
	src   netip.Addr
}

type seat struct {
	port  uint16
	state event.State
	hold  int32 // its number in the order that Each tells them, from 0
}

func takeCensus(ranges *Ranges, holds Holds) *census {
	c := &census{ranges: ranges, spaces: map[uint32]*space{}}
	holds.Each(func(h *lifetime.Hold) {
		taken := seat{h.Port, h.State, int32(c.holds)}
		c.holds++
		s := c.space(h.NetNS, h.Owner.PID)
		if s.rng == nil || !s.rng.Contains(h.Port) || s.rng.IsReserved(h.Port) {
			return
		}
		at := site{h.Proto, h.Src}
		k := KeyOf(h)
		s.draws[k] = append(s.draws[k], taken)
		s.sits[at] = append(s.sits[at], taken)
		if h.Proto == event.TCP && h.Path != event.Connect {
			s.bound.add(h.Port)
		}
	})
	for inode, s := range c.spaces {
		s.lacks = s.bound.len()
		ranges.mayBeBack(inode)
	}
	return c
}

func (c *census) space(inode, pid uint32) *space {
	s, ok := c.spaces[inode]
	if !ok {
		s = &space{rng: c.ranges.Get(inode, pid), draws: map[Key][]seat{}, sits: map[site][]seat{}}
		c.spaces[inode] = s
	}
	return s
}

// use is how full a pool is.
type use struct {
	inUse, usable, timeWait int
}

func (u use) share() float64 { return float64(u.inUse) / float64(max(u.usable, 1)) }

func (u use) isReported() bool { return u.usable > 0 && u.share() >= reportFrom }

// seats returns what counts in a pool. connect() is kept from the ports that have its
// tuple; bind, listen and UDP from every port that anybody has on a conflicting address.
func (s *space) seats(k Key) iter.Seq[[]seat] {
	return func(yield func([]seat) bool) {
		if k.Dst.IsValid() {
			yield(s.draws[k])
			return
		}
		for at, seats := range s.sits {
			if at.proto == k.Proto && Conflicts(at.src, k.Src) && !yield(seats) {
				return
			}
		}
	}
}

// occupied returns the ports in a pool that are in use, those of them that are only in
// TIME_WAIT, and those it lacks: connect() is also kept from the ports that bind() took on
// any address (__inet_hash_connect: fastreuse).
func (s *space) occupied(k Key, taken, waiting, lacking *portSet) {
	for seats := range s.seats(k) {
		mark(seats, taken, waiting)
	}
	for i := range taken {
		taken[i], waiting[i] = taken[i]|waiting[i], waiting[i]&^taken[i]
		if k.Dst.IsValid() {
			lacking[i] = s.bound[i] &^ taken[i]
		}
	}
}

// use counts one pool, a port once however many sockets share it. The range must be known.
func (s *space) use(k Key) use {
	if seats := s.draws[k]; k.Dst.IsValid() && len(seats) <= few {
		return s.useOfFew(seats)
	}
	var taken, waiting, lacking portSet
	s.occupied(k, &taken, &waiting, &lacking)
	return use{inUse: taken.len(), usable: s.rng.Usable - lacking.len(), timeWait: waiting.len()}
}

// few is up to how many seats of connect() are counted without the sets, which take a
// microsecond or two: a crawler has a pool for every host.
const few = 4

// useOfFew is use of some seats of connect().
func (s *space) useOfFew(seats []seat) use {
	u := use{usable: s.rng.Usable - s.lacks}
	for i, taken := range seats {
		shared, waits := false, taken.state == event.TimeWait
		for j, other := range seats {
			shared = shared || j < i && other.port == taken.port
			waits = waits && (other.port != taken.port || other.state == event.TimeWait)
		}
		if shared {
			continue // it was counted
		}
		u.inUse++
		if waits {
			u.timeWait++
		}
		if s.bound.has(taken.port) {
			u.usable++ // nobody's but the pool's that has it
		}
	}
	return u
}

func mark(seats []seat, busy, waiting *portSet) {
	for _, taken := range seats {
		if taken.state == event.TimeWait {
			waiting.add(taken.port)
		} else {
			busy.add(taken.port)
		}
	}
}

// Conflicts says whether two addresses keep each other from a port: the same one, or
// one of them a wildcard for the other's family (inet_rcv_saddr_equal). IPV6_V6ONLY is
// not told, so "::" is taken for both families.
func Conflicts(a, b netip.Addr) bool {
	return a == b || covers(a, b) || covers(b, a)
}

func covers(wildcard, addr netip.Addr) bool {
	return wildcard.IsUnspecified() && (wildcard.Is6() || addr.Is4())
}

// full calls f for every pool that is to be reported.
func (c *census) full(f func(Key, use)) {
	for _, s := range c.spaces {
		if s.rng == nil {
			continue
		}
		for k, seats := range s.draws {
			// most pools of connect() have a port or two: not worth a count
			if k.Dst.IsValid() && float64(len(seats)) < reportFrom*float64(s.rng.Usable-s.lacks) {
				continue
			}
			if u := s.use(k); u.isReported() {
				f(k, u)
			}
		}
	}
}
