// Package owner puts the task that the kernel names as a port's owner in terms that
// people know: the path of its cgroup and, where that shows it, its container.
package owner

import (
	"porttrace/internal/cgroup"
	"porttrace/internal/event"
	"porttrace/internal/lifetime"
)

// cacheLimit bounds each cache; one that is full is emptied, not grown.
const cacheLimit = 1 << 14

// Resolver implements lifetime.Owners. It is not safe for concurrent use.
type Resolver struct {
	cgroups *cgroup.Paths // nil: unknown
	known   map[uint64]lifetime.Interned[lifetime.Place]
	comms   map[event.Comm]string
}

// NewResolver returns a resolver. Without a cgroup v2 mount that can be asked, paths
// and containers stay unknown.
func NewResolver() *Resolver {
	r := &Resolver{known: map[uint64]lifetime.Interned[lifetime.Place]{}, comms: map[event.Comm]string{}}
	if paths, err := cgroup.OpenPaths(); err == nil {
		r.cgroups = paths
	}
	return r
}

// Close frees what the resolver holds open.
func (r *Resolver) Close() error {
	if r.cgroups == nil {
		return nil
	}
	return r.cgroups.Close()
}

// Describe implements lifetime.Owners. The cgroup is the one at the time the port was
// assigned, looked up by its id: it is found also when the process is gone, and unknown
// when the cgroup itself is gone before anybody asked.
func (r *Resolver) Describe(o event.Owner) lifetime.Owner {
	if o.PID == 0 {
		return lifetime.Owner{}
	}
	p := r.place(o.Cgroup)
	return lifetime.Owner{
		PID: o.PID, TID: o.TID, UID: o.UID,
		Comm:  r.comm(o.Comm),
		Place: p,
	}
}

func (r *Resolver) place(id uint64) lifetime.Interned[lifetime.Place] {
	if p, ok := r.known[id]; ok {
		return p
	}
	var p lifetime.Interned[lifetime.Place]
	if r.cgroups != nil {
		if path, ok := r.cgroups.Path(id); ok {
			p = lifetime.Intern(placeOf(path))
		}
	}
	if len(r.known) >= cacheLimit {
		clear(r.known)
	}
	r.known[id] = p
	return p
}

func (r *Resolver) comm(c event.Comm) string {
	if s, ok := r.comms[c]; ok {
		return s
	}
	if len(r.comms) >= cacheLimit {
		clear(r.comms)
	}
	s := c.String()
	r.comms[c] = s
	return s
}
