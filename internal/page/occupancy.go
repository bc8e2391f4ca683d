package page

import (
	"cmp"
	"slices"

	"porttrace/internal/lifetime"
	"porttrace/internal/pool"
)

// poolsKept is how many pools are followed before those that are empty and never were full
// are forgotten.
const poolsKept = 2048

// poolID names a pool of one trace: inodes of namespaces are of a host.
type poolID struct {
	trace int
	pool.Key
}

// use is how a pool was used over time.
type use struct {
	id       poolID
	now      int // holds in the range
	most     int
	fullest  float64 // the greatest share of a pool record
	holds    int     // all that there were
	held     levels
	states   steps
	capacity levels // of pool records
	inUse    levels // of pool records: the tracer's own count
	failures counts
	failed   int
}

func (u *use) halve() {
	u.held.halve()
	u.states.halve()
	u.capacity.halve()
	u.inUse.halve()
	u.failures.halve()
}

func (u *use) shift(n int) {
	u.held.shift(n)
	u.states.shift(n)
	u.capacity.shift(n)
	u.inUse.shift(n)
	u.failures.shift(n)
}

func (u *use) add(bin, n int) {
	u.now = max(u.now+n, 0)
	u.most = max(u.most, u.now)
	u.held.set(bin, u.now)
}

func (u *use) fail(bin int) {
	if u.failures == nil {
		u.failures = counts{}
	}
	u.failures[bin]++
	u.failed++
}

func (u *use) tell(bin int, p *lifetime.PoolInfo) {
	u.inUse.set(bin, p.InUse)
	u.capacity.set(bin, p.Usable)
	if p.Usable > 0 {
		u.fullest = max(u.fullest, float64(p.InUse)/float64(p.Usable))
	}
}

// close ends what a trace did not see the end of.
func (u *use) close(bin int) {
	if u.now > 0 {
		u.add(bin, -u.now)
	}
	u.states.close(bin)
}

// occupancy is the use of pools.
type occupancy struct {
	pools     map[poolID]*use
	limit     int
	forgotten int
}

func newOccupancy() occupancy {
	return occupancy{pools: map[poolID]*use{}, limit: poolsKept}
}

func (o *occupancy) use(id poolID) *use {
	u := o.pools[id]
	if u == nil {
		if len(o.pools) >= o.limit {
			o.forget()
		}
		u = &use{id: id}
		o.pools[id] = u
	}
	return u
}

// forget drops pools that nothing is held from, the least used first: one that comes back
// begins at zero, as it should. The others are as many as there are sockets, at most.
func (o *occupancy) forget() {
	var idle []*use
	for _, u := range o.pools {
		if u.now == 0 && u.failed == 0 {
			idle = append(idle, u)
		}
	}
	slices.SortFunc(idle, func(x, y *use) int { return cmp.Compare(x.most, y.most) })
	drop := max(len(o.pools)-poolsKept/2, 0)
	for _, u := range idle[:min(drop, len(idle))] {
		delete(o.pools, u.id)
		o.forgotten++
	}
	o.limit = max(poolsKept, 2*len(o.pools))
}
