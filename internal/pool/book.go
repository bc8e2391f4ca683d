package pool

import (
	"net/netip"
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

// burstInterval is how often, at most, a pool is reported because of failures.
const burstInterval = time.Second

// Holds gives sight of the held set.
type Holds interface {
	Each(func(*lifetime.Hold))
}

// Book counts what goes in and out of pools. It is not safe for concurrent use.
type Book struct {
	ranges   *Ranges
	holds    Holds
	complete bool // every hold of a pool is in the held set
	flows    map[Key]*flow
	reported map[Key]ktime.Wall // because of failures
	since    ktime.Wall
}

// flow is what happened to a pool since the last report.
type flow struct {
	assigned, released int
	held               time.Duration // of those released
}

// NewBook returns a book over a held set. complete says that the set is not narrowed
// by a filter; in a set that is, the use of a pool is unknown.
func NewBook(ranges *Ranges, holds Holds, complete bool, now ktime.Wall) *Book {
	return &Book{
		ranges:   ranges,
		holds:    holds,
		complete: complete,
		flows:    map[Key]*flow{},
		reported: map[Key]ktime.Wall{},
		since:    now,
	}
}

// Observe takes a record on its way to the sinks. Failures are completed: with the
// pool's use and the cause; the first of a burst is followed by its pool.
func (b *Book) Observe(r *lifetime.Record, next func(*lifetime.Record)) {
	switch r.Type {
	case lifetime.Assign:
		b.flow(KeyOf(r.Hold)).assigned++
	case lifetime.Release:
		f := b.flow(KeyOf(r.Hold))
		f.released++
		f.held += r.Hold.HeldFor()
	case lifetime.Failure:
		b.fail(r, next)
		return
	}
	next(r)
}

func (b *Book) flow(k Key) *flow {
	f, ok := b.flows[k]
	if !ok {
		f = new(flow)
		b.flows[k] = f
	}
	return f
}

func (b *Book) fail(r *lifetime.Record, next func(*lifetime.Record)) {
	f := r.Failure
	k := keyOf(f.NetNS, f.Proto, f.Path, f.Src, f.Dst)
	rng := b.ranges.Get(f.NetNS, f.Owner.PID)
	last, burst := b.reported[k]
	burst = burst && r.Time.Sub(last) < burstInterval
	var p *lifetime.PoolInfo
	if b.complete && rng != nil && !(burst && f.Port != 0) {
		p = b.measure(k, rng, r.Time)
		f.InUse, f.Usable = p.InUse, p.Usable
	} else if rng != nil {
		f.Usable = rng.Usable
	}
	f.Cause = cause(f, rng)
	if f.Cause == lifetime.AddressNotLocal {
		f.Errno = "EADDRNOTAVAIL"
	}
	next(r)
	if p != nil && !burst {
		b.reported[k] = r.Time
		next(&lifetime.Record{Type: lifetime.Pool, Time: r.Time, Pool: p})
	}
}

// Report hands over the pools over a quarter full, if it is time to.
func (b *Book) Report(now ktime.Wall, next func(*lifetime.Record)) {
	if now.Sub(b.since) < Interval {
		return
	}
	if b.complete {
		b.reportFull(now, next)
	}
	clear(b.flows)
	b.since = now
	for k, at := range b.reported {
		if now.Sub(at) > burstInterval {
			delete(b.reported, k)
		}
	}
}

// NeedsStates says that a report is due and some pool may be in it, so that fresh
// states are worth a look.
func (b *Book) NeedsStates(now ktime.Wall) bool {
	if !b.complete || now.Sub(b.since) < Interval {
		return false
	}
	for _, u := range b.uses() {
		if u.isReported() {
			return true
		}
	}
	return false
}

func (b *Book) reportFull(now ktime.Wall, next func(*lifetime.Record)) {
	for k, u := range b.uses() {
		if u.isReported() {
			next(&lifetime.Record{Type: lifetime.Pool, Time: now, Pool: b.info(k, u, now)})
		}
	}
}
