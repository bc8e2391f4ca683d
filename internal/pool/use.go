package pool

import (
	"net/netip"
	"time"

	"porttrace/internal/event"
	"porttrace/internal/ktime"
	"porttrace/internal/lifetime"
)

// use is how full a pool is.
type use struct {
	inUse, usable, timeWait int
}

func (u *use) isReported() bool {
	return u.usable > 0 && float64(u.inUse) >= reportFrom*float64(u.usable)
}

// uses counts every pool that has a hold. bind, listen and UDP need a port that nobody
// has on that address; what they have is taken from every connect() (bind makes the
// port exclusive: inet_csk_get_port, fastreuse).
func (b *Book) uses() map[Key]*use {
	uses := map[Key]*use{}
	poisoned := map[uint32]map[uint16]bool{} // by namespace: ports that bind() took
	b.holds.Each(func(h *lifetime.Hold) {
		rng := b.ranges.Get(h.NetNS, h.Owner.PID)
		if rng == nil || !rng.Contains(h.Port) {
			return
		}
		k := KeyOf(h)
		u, ok := uses[k]
		if !ok {
			u = &use{usable: rng.Usable}
			uses[k] = u
		}
		u.inUse++
		if h.State == event.TimeWait {
			u.timeWait++
		}
		if h.Proto == event.TCP && h.Path != event.Connect {
			if poisoned[h.NetNS] == nil {
				poisoned[h.NetNS] = map[uint16]bool{}
			}
			poisoned[h.NetNS][h.Port] = true
		}
	})
	for k, u := range uses {
		if k.Dst.IsValid() {
			u.usable -= len(poisoned[k.NetNS])
		}
	}
	return uses
}

// measure counts one pool, all in the held set that keeps a port from it.
func (b *Book) measure(k Key, rng *Range, now ktime.Wall) *lifetime.PoolInfo {
	u := use{usable: rng.Usable}
	taken := map[uint16]bool{}
	poisoned := map[uint16]bool{}
	b.holds.Each(func(h *lifetime.Hold) {
		if h.NetNS != k.NetNS || h.Proto != k.Proto || !rng.Contains(h.Port) || rng.IsReserved(h.Port) {
			return
		}
		switch {
		case k.Dst.IsValid() && h.Path != event.Connect:
			poisoned[h.Port] = true
			return
		case k.Dst.IsValid() && (h.Dst != k.Dst || h.Src != k.Src),
			!k.Dst.IsValid() && !conflicts(h.Src, k.Src):
			return
		}
		taken[h.Port] = true
		if h.State == event.TimeWait {
			u.timeWait++
		}
	})
	for port := range poisoned {
		if !taken[port] {
			u.usable--
		}
	}
	u.inUse = len(taken)
	return b.info(k, &u, now)
}

// conflicts says whether two addresses keep each other from a port: the same one, or
// one of them the wildcard (inet_rcv_saddr_equal).
func conflicts(a, b netip.Addr) bool {
	return a == b || a.IsUnspecified() || b.IsUnspecified()
}

func (b *Book) info(k Key, u *use, now ktime.Wall) *lifetime.PoolInfo {
	info := &lifetime.PoolInfo{
		NetNS: k.NetNS, Proto: k.Proto, Src: k.Src, Dst: k.Dst,
		InUse: u.inUse, Usable: u.usable, TimeWait: u.timeWait,
		MeanHeld: -1, Exhausts: -1,
	}
	f, elapsed := b.flows[k], now.Sub(b.since).Seconds()
	if f == nil || elapsed <= 0 {
		return info
	}
	info.AssignRate = float64(f.assigned) / elapsed
	if f.released > 0 {
		info.MeanHeld = f.held / time.Duration(f.released)
	}
	growth := float64(f.assigned-f.released) / elapsed
	if free := float64(u.usable - u.inUse); growth > 0 && free >= 0 {
		info.Exhausts = time.Duration(free / growth * float64(time.Second))
	}
	return info
}
