package pool

import (
	"net/netip"
	"time"

	"porttrace/internal/netns"
)

const (
	// fresh is how long a range that was read is taken for true: sysctls change, and
	// the number of a namespace that went is given to the next.
	fresh = 5 * time.Millisecond
	// retry is how long, at most, a namespace that cannot be entered is left alone:
	// looking for a way in goes through all processes. It begins with fresh and doubles.
	retry = time.Second
)

// Beyond so many namespaces, those that nobody asked about for so long are forgotten:
// a host of short-lived containers makes them without end.
const (
	rememberAll = 256
	unasked     = time.Minute
)

// Ranges reads and remembers the ranges of namespaces. It is not safe for concurrent
// use.
type Ranges struct {
	now   func() time.Time
	known map[uint32]*remembered
}

type remembered struct {
	rng   *Range // nil: could not be read
	ns    netns.NS
	read  time.Time
	lasts time.Duration
	local map[netip.Addr]bool // addresses asked about since
}

// NewRanges returns an empty memory.
func NewRanges() *Ranges { return &Ranges{now: time.Now, known: map[uint32]*remembered{}} }

// Get returns the range of a namespace, nil if it cannot be read. pid is a process
// that is likely to live in it, 0 if none is known.
func (r *Ranges) Get(inode, pid uint32) *Range {
	k, ok := r.known[inode]
	if ok && r.now().Sub(k.read) < k.lasts {
		return k.rng
	}
	if !ok {
		r.forget()
		k = &remembered{}
		r.known[inode] = k
	}
	k.read, k.local = r.now(), nil
	if k.ns.Inode != 0 && k.readFrom(k.ns) {
		return k.rng
	}
	if ns, ok := netns.Find(inode, pid); !ok || !k.readFrom(ns) {
		k.ns = netns.NS{} // no way in; the last range seen is the best there is
		k.lasts = min(max(2*k.lasts, fresh), retry)
	}
	return k.rng
}

func (k *remembered) readFrom(ns netns.NS) bool {
	rng, err := ReadRange(ns)
	if err == nil {
		k.rng, k.ns, k.lasts = rng, ns, fresh
	}
	return err == nil
}

// mayBeBack has a namespace that cannot be entered tried again the next time. The holds
// that are left of one that is gone say nothing of the next with the same number.
func (r *Ranges) mayBeBack(inode uint32) {
	if k := r.known[inode]; k != nil && k.ns.Inode == 0 {
		k.lasts = 0
	}
}

func (r *Ranges) forget() {
	if len(r.known) < rememberAll {
		return
	}
	for inode, k := range r.known {
		if r.now().Sub(k.read) > unasked {
			delete(r.known, inode)
		}
	}
}

// All reads the range of every namespace that can be entered.
func (r *Ranges) All() ([]*Range, error) {
	namespaces, err := netns.List()
	if err != nil {
		return nil, err
	}
	var ranges []*Range
	for _, ns := range namespaces {
		if rng, err := r.Add(ns); err == nil { // else it went meanwhile
			ranges = append(ranges, rng)
		}
	}
	return ranges, nil
}

// Add reads the range of a namespace that was found, which spares Get the search.
func (r *Ranges) Add(ns netns.NS) (*Range, error) {
	rng, err := ReadRange(ns)
	if err == nil {
		r.known[ns.Inode] = &remembered{rng: rng, ns: ns, read: r.now(), lasts: fresh}
	}
	return rng, err
}
