package pool

import (
	"time"

	"porttrace/internal/netns"
)

// fresh is how long a range that was read is taken for true; sysctls change.
const fresh = time.Second

// Ranges reads and remembers the ranges of namespaces. It is not safe for concurrent
// use.
type Ranges struct {
	now   func() time.Time
	known map[uint32]*remembered
}

type remembered struct {
	rng  *Range // nil: could not be read
	ns   netns.NS
	read time.Time
}

// NewRanges returns an empty memory.
func NewRanges() *Ranges { return &Ranges{now: time.Now, known: map[uint32]*remembered{}} }

// Get returns the range of a namespace, nil if it cannot be read. pid is a process
// that is likely to live in it, 0 if none is known.
func (r *Ranges) Get(inode, pid uint32) *Range {
	k, ok := r.known[inode]
	if ok && r.now().Sub(k.read) < fresh {
		return k.rng
	}
	if !ok {
		k = &remembered{}
		r.known[inode] = k
	}
	k.read = r.now()
	ns := k.ns
	if ns.Inode == 0 {
		ns = find(inode, pid)
	}
	if rng, err := ReadRange(ns); err == nil && ns.Inode == inode {
		k.rng, k.ns = rng, ns
	} else {
		k.ns = netns.NS{} // the way in is gone; the last range seen is the best there is
	}
	return k.rng
}

// All reads the range of every namespace that can be entered.
func (r *Ranges) All() ([]*Range, error) {
	namespaces, err := netns.List()
	if err != nil {
		return nil, err
	}
	var ranges []*Range
	for _, ns := range namespaces {
		if rng, err := ReadRange(ns); err == nil { // else it went meanwhile
			ranges = append(ranges, rng)
			r.known[ns.Inode] = &remembered{rng, ns, r.now()}
		}
	}
	return ranges, nil
}

func find(inode, pid uint32) netns.NS {
	if ns, err := netns.OfProcess(pid); err == nil && ns.Inode == inode {
		return ns
	}
	all, err := netns.List()
	if err != nil {
		return netns.NS{}
	}
	for _, ns := range all {
		if ns.Inode == inode {
			return ns
		}
	}
	return netns.NS{}
}
