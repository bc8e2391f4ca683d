package pool

import (
	"time"

	"porttrace/internal/ktime"
	"porttrace/internal/lifetime"
)

// period is the time since a report: what went in and out of the pools, and how they
// stood at its beginning.
type period struct {
	since ktime.Wall
	began *census // nil: unknown
	flows map[Key]flow
}

// flow is what happened to the holds that draw from a pool.
type flow struct {
	assigned int
	released int           // of those whose beginning was seen
	held     time.Duration // by them
}

func (f flow) plus(g flow) flow {
	return flow{f.assigned + g.assigned, f.released + g.released, f.held + g.held}
}

// info puts a pool's use and its trend into a record. The trend is that of the period
// that ends now, together with the one before if it is not a whole one yet: a failure
// right after a report would else be told with the rate of a few milliseconds.
func (b *Book) info(k Key, u use) *lifetime.PoolInfo {
	info := &lifetime.PoolInfo{
		NetNS: k.NetNS, Proto: k.Proto, Src: k.Src, Dst: k.Dst,
		InUse: u.inUse, Usable: u.usable, TimeWait: u.timeWait,
		MeanHeld: -1, Exhausts: -1,
	}
	p, f := b.current, b.current.flows[k]
	if b.previous.flows != nil && b.now.Sub(p.since) < Interval {
		p, f = b.previous, f.plus(b.previous.flows[k])
	}
	if f.released > 0 {
		info.MeanHeld = f.held / time.Duration(f.released)
	}
	elapsed := b.now.Sub(p.since).Seconds()
	if elapsed <= 0 {
		return info
	}
	info.AssignRate = float64(f.assigned) / elapsed
	if p.began != nil {
		info.Exhausts = exhausts(p.began.inUse(k), u, elapsed)
	}
	return info
}

// inUse returns the use of a pool, zero in a namespace that was empty.
func (c *census) inUse(k Key) int {
	if s, ok := c.spaces[k.NetNS]; ok && s.rng != nil {
		return s.use(k).inUse
	}
	return 0
}

// exhausts returns when a pool will be full if it goes on as in the seconds elapsed.
func exhausts(before int, u use, elapsed float64) time.Duration {
	growth := float64(u.inUse-before) / elapsed
	free := max(u.usable-u.inUse, 0)
	if growth <= 0 {
		return -1
	}
	return time.Duration(float64(free) / growth * float64(time.Second))
}
