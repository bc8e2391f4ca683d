package pool

import (
	"cmp"
	"net/netip"
	"slices"
	"time"

	"porttrace/internal/event"
	"porttrace/internal/ktime"
	"porttrace/internal/lifetime"
)

// Key names a pool: what a hold draws its port from. connect() shares ports between
// destinations, so its pools have one; those of bind, listen and UDP have none.
type Key struct {
	NetNS uint32
	Proto event.Proto
	Src   netip.Addr
	Dst   netip.AddrPort // zero: bind, listen or UDP
}

// KeyOf returns the pool that a hold draws from.
func KeyOf(h *lifetime.Hold) Key {
	return keyOf(h.NetNS, h.Proto, h.Path, h.Src, h.Dst)
}

func keyOf(ns uint32, proto event.Proto, path event.Path, src netip.Addr, dst netip.AddrPort) Key {
	k := Key{NetNS: ns, Proto: proto, Src: src}
	if path == event.Connect {
		k.Dst = dst
	}
	return k
}

// reportFrom is the share of a pool in use from which it is reported.
const reportFrom = 0.25

// Interval is how often pools over reportFrom are reported.
const Interval = 10 * time.Second

// burstInterval is how often, at most, a pool is reported because of failures. A
// failure that is told later than that after it happened is not measured: the pools
// are other ones by then.
const burstInterval = time.Second

// A census takes less than a tenth of censusCost for every hold, and one is taken in that
// time: so much may a storm of failures cost. The first failure of a pool, which its pool
// record follows, is not told with the numbers of a moment before: for those as many are
// taken at once as censusDebt pays for.
const (
	censusCost = 2 * time.Microsecond
	censusDebt = 500 * time.Millisecond
)

// Holds gives sight of the held set.
type Holds interface {
	Each(func(*lifetime.Hold))
}

// Book counts what goes in and out of pools. It is not safe for concurrent use.
type Book struct {
	ranges   *Ranges
	holds    Holds
	complete bool // every hold of a pool is in the held set
	current  period
	previous period             // no flows: there is none
	reported map[Key]ktime.Wall // because of failures
	clock    ktime.Steady       // all times here are by it
	now      ktime.Wall         // the latest time told
	changes  uint64             // of the held set
	failed   struct {           // the census taken for a failure last
		census  *census
		at      ktime.Wall
		changes uint64
		paid    ktime.Wall // when all are paid for
	}
}

// NewBook returns a book over a held set. complete says that the set is not narrowed
// by a filter; in a set that is, the use of a pool is unknown.
func NewBook(ranges *Ranges, holds Holds, complete bool, now ktime.Wall) *Book {
	return &Book{
		ranges:   ranges,
		holds:    holds,
		complete: complete,
		current:  period{since: now, flows: map[Key]flow{}},
		reported: map[Key]ktime.Wall{},
		now:      now,
	}
}

// Observe takes a record on its way to the sinks. Failures are completed: with the
// pool's use and the cause; the first of a burst is followed by its pool.
func (b *Book) Observe(r *lifetime.Record, next func(*lifetime.Record)) {
	if r.Type == lifetime.Clock {
		b.clock.Moved(r.Time.Sub(r.Clock.From))
	}
	b.tell(r.Time)
	switch r.Type {
	case lifetime.HeldAtStart:
		b.changes++
	case lifetime.Assign:
		b.count(r.Hold, flow{assigned: 1})
	case lifetime.Release:
		var f flow
		if r.Hold.Assigned != 0 {
			f = flow{released: 1, held: r.Hold.HeldFor()}
		}
		if r.Hold.States[event.TimeWait] > 0 {
			f.expired = 1
		}
		if r.Reason == event.TimeWaitReused {
			f.reused = 1
		}
		b.count(r.Hold, f)
	case lifetime.Failure:
		b.fail(r, next)
		return
	}
	next(r)
}

func (b *Book) tell(now ktime.Wall) { b.now = max(b.now, b.clock.Of(now)) }

func (b *Book) count(h *lifetime.Hold, f flow) {
	b.changes++
	k := KeyOf(h)
	b.current.flows[k] = b.current.flows[k].plus(f)
}

func (b *Book) fail(r *lifetime.Record, next func(*lifetime.Record)) {
	f := r.Failure
	k := keyOf(f.NetNS, f.Proto, f.Path, f.Src, f.Dst)
	rng := b.ranges.Get(f.NetNS, f.Owner.PID)
	if rng != nil {
		f.Usable = rng.Usable
	}
	last, burst := b.reported[k]
	first := !burst || b.now.Sub(last) >= burstInterval
	u, measured := b.measure(k, f.Owner.PID, b.clock.Of(r.Time), first)
	if measured {
		f.InUse, f.Usable = u.inUse, u.usable
	}
	f.Cause = cause(f, rng, func() bool { return b.ranges.IsLocal(f.NetNS, f.Owner.PID, f.Src) })
	if f.Cause == lifetime.AddressNotLocal {
		f.Errno = "EADDRNOTAVAIL"
	}
	next(r)
	if measured && first {
		b.reported[k] = b.now
		next(&lifetime.Record{Type: lifetime.Pool, Time: b.clock.Wall(b.now), Pool: b.info(k, u)})
	}
}

// measure counts a pool, if that tells how it was at a time.
func (b *Book) measure(k Key, pid uint32, at ktime.Wall, first bool) (use, bool) {
	if !b.complete || b.now.Sub(at) >= burstInterval {
		return use{}, false
	}
	rng := b.ranges.Get(k.NetNS, pid)
	if rng == nil {
		return use{}, false
	}
	s := b.recent(first).space(k.NetNS, pid)
	if s.rng == nil || s.rng.Range != rng.Range { // sysctls changed
		b.failed.census = nil
		s = b.recent(first).space(k.NetNS, pid)
	}
	return s.use(k), true
}

// recent returns a census that is good enough for a failure: an exact one, but in
// storms, where it may be as old as is needed to keep the cost down.
func (b *Book) recent(first bool) *census {
	last := &b.failed
	if c := last.census; c != nil {
		age := b.now.Sub(last.at)
		allowed := time.Duration(0)
		if first {
			allowed = censusDebt
		}
		if age < burstInterval && last.changes == b.changes || last.paid.Sub(b.now) > allowed {
			return c
		}
	}
	last.census, last.at, last.changes = takeCensus(b.ranges, b.holds), b.now, b.changes
	last.paid = max(last.paid, b.now) + ktime.Wall(time.Duration(last.census.holds)*censusCost)
	return last.census
}

// Report hands over the pools over a quarter full, fullest first, if it is time to.
func (b *Book) Report(now ktime.Wall, next func(*lifetime.Record)) {
	b.tell(now)
	if b.complete && b.current.began == nil {
		b.current.began = takeCensus(b.ranges, b.holds) // what was held before the start is no growth
	}
	if !b.isDue() {
		return
	}
	var began *census
	if b.complete {
		began = takeCensus(b.ranges, b.holds)
		b.reportFull(began, next)
	}
	b.previous = b.current
	b.current = period{since: b.now, began: began, flows: map[Key]flow{}}
	for k, at := range b.reported {
		if b.now.Sub(at) >= burstInterval {
			delete(b.reported, k)
		}
	}
	if b.now.Sub(b.failed.at) >= burstInterval {
		b.failed.census = nil
	}
}

func (b *Book) isDue() bool { return b.now.Sub(b.current.since) >= Interval }

// NeedsStates says that a report is due and some pool may be in it, so that fresh
// states are worth a look.
func (b *Book) NeedsStates(now ktime.Wall) bool {
	b.tell(now)
	needs := false
	if b.complete && b.isDue() {
		takeCensus(b.ranges, b.holds).full(func(Key, use) { needs = true })
	}
	return needs
}

func (b *Book) reportFull(c *census, next func(*lifetime.Record)) {
	var pools []*lifetime.PoolInfo
	share := map[*lifetime.PoolInfo]float64{}
	c.full(func(k Key, u use) {
		info := b.info(k, u)
		pools, share[info] = append(pools, info), u.share()
	})
	slices.SortFunc(pools, func(x, y *lifetime.PoolInfo) int {
		return cmp.Or(
			cmp.Compare(share[y], share[x]), cmp.Compare(x.NetNS, y.NetNS), cmp.Compare(x.Proto, y.Proto),
			x.Src.Compare(y.Src), x.Dst.Compare(y.Dst))
	})
	for _, info := range pools {
		next(&lifetime.Record{Type: lifetime.Pool, Time: b.clock.Wall(b.now), Pool: info})
	}
}
