package pool

import (
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
}

// site is where a port is taken, whatever pool it came from.
type site struct {
	proto event.Proto
	src   netip.Addr
}

type seat struct {
	port     uint16
	timeWait bool
}

func takeCensus(ranges *Ranges, holds Holds) *census {
	c := &census{ranges: ranges, spaces: map[uint32]*space{}}
	holds.Each(func(h *lifetime.Hold) {
		c.holds++
		s := c.space(h.NetNS, h.Owner.PID)
		if s.rng == nil || !s.rng.Contains(h.Port) || s.rng.IsReserved(h.Port) {
			return
		}
		taken := seat{h.Port, h.State == event.TimeWait}
		at := site{h.Proto, h.Src}
		k := KeyOf(h)
		s.draws[k] = append(s.draws[k], taken)
		s.sits[at] = append(s.sits[at], taken)
		if h.Proto == event.TCP && h.Path != event.Connect {
			s.bound.add(h.Port)
		}
	})
	for inode := range c.spaces {
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

// use counts one pool, a port once however many sockets share it. connect() is kept
// from the ports that have its tuple, and from those that bind() took on any address
// (__inet_hash_connect: fastreuse). bind, listen and UDP are kept from every port that
// anybody has on a conflicting address. The range must be known.
func (s *space) use(k Key) use {
	var busy, waiting portSet
	if k.Dst.IsValid() {
		mark(s.draws[k], &busy, &waiting)
	} else {
		for at, seats := range s.sits {
			if at.proto == k.Proto && Conflicts(at.src, k.Src) {
				mark(seats, &busy, &waiting)
			}
		}
	}
	u := use{usable: s.rng.Usable}
	for i := range busy {
		busy[i], waiting[i] = busy[i]|waiting[i], waiting[i]&^busy[i]
	}
	u.inUse, u.timeWait = busy.len(), waiting.len()
	if k.Dst.IsValid() {
		u.usable -= s.bound.without(&busy)
	}
	return u
}

func mark(seats []seat, busy, waiting *portSet) {
	for _, taken := range seats {
		if taken.timeWait {
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
		bound := s.bound.len()
		for k, seats := range s.draws {
			// most pools of connect() have a port or two: not worth a count
			if k.Dst.IsValid() && float64(len(seats)) < reportFrom*float64(s.rng.Usable-bound) {
				continue
			}
			if u := s.use(k); u.isReported() {
				f(k, u)
			}
		}
	}
}
