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
	expired  int           // released from TIME_WAIT
	reused   int           // of those, by connect()
}

func (f flow) plus(g flow) flow {
	return flow{f.assigned + g.assigned, f.released + g.released, f.held + g.held, f.expired + g.expired, f.reused + g.reused}
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
		t := trend{elapsed: b.now.Sub(p.since), before: p.began.use(k), now: u, expired: f.expired}
		t.reuses = f.reused > 0 && 10*f.reused >= f.assigned
		info.Exhausts = t.exhausts()
	}
	return info
}

// use returns the use of a pool, none in a namespace that was empty.
func (c *census) use(k Key) use {
	if s, ok := c.spaces[k.NetNS]; ok && s.rng != nil {
		return s.use(k)
	}
	return use{}
}
