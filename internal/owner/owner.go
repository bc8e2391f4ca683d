// Package owner puts the task that the kernel names as a port's owner in terms that
// people know: the unit, container or pod that its cgroup belongs to, the program and the
// user that it runs as, and the name of a network namespace.
package owner

import (
	"bytes"
	"errors"
	"os"
	"time"

	"porttrace/internal/cgroup"
	"porttrace/internal/event"
	"porttrace/internal/ktime"
	"porttrace/internal/lifetime"
	"porttrace/internal/netns"
)

// Resolver implements lifetime.Owners. The zero Resolver asks no cgroup hierarchy. It is
// not safe for concurrent use. What it remembers is bounded, however many processes,
// cgroups and namespaces come and go.
type Resolver struct {
	cgroups  *cgroup.Paths // of version 2; nil: unknown
	cgroups1 *cgroup.Paths // of version1; nil: unknown
	version1 uint32        // the hierarchy of cgroup v1 that owners have ids of, 0: none
	mixed    bool          // the host has hierarchies of cgroup v1, if only a named one
	gone     gonePaths     // nil: nobody knows
	onlooker onlooker
	names    names
	users    users
	netns    netns.Names

	owners cache[event.Owner, known] // without thread ids
	paths  cache[cgroupID, string]   // "" unknown
	places cache[string, place]      // by path
}

// gonePaths knows the paths of cgroups that are gone, by their ids in a hierarchy, of which
// 0 is version 2.
type gonePaths = func(hierarchy uint32, id uint64) (path string, ok bool)

// cgroupID is a cgroup of a hierarchy.
type cgroupID struct {
	hierarchy uint32
	id        uint64
}

// known is what was found out of an owner.
type known struct {
	lifetime.Owner
	pending bool // names of its place are to come
}

// place is where a path leads. The names of containers and pods may come a little later
// than their first connections, or never.
type place struct {
	lifetime.Interned[lifetime.Place]
	wait time.Duration // until the names are looked for again; 0: all are known
	next time.Time
}

// How long names are waited for: twice as long from time to time.
const (
	firstWait = 100 * time.Millisecond
	longWait  = time.Minute
)

// NewResolver returns a resolver. Without a cgroup v2 hierarchy that can be asked, only
// living processes have a place.
func NewResolver() *Resolver {
	r := &Resolver{}
	if paths, err := cgroup.OpenPaths(); err == nil {
		r.cgroups = paths
	}
	if v, ok, err := cgroup.FindVersion1(); err == nil && ok {
		r.version1 = v.Number
		if paths, err := v.OpenPaths(); err == nil {
			r.cgroups1 = paths
		}
	}
	if own, err := os.ReadFile("/proc/self/cgroup"); err == nil {
		r.mixed = bytes.Count(own, []byte("\n")) > bytes.Count(own, []byte("0::"))
	}
	return r
}

// AskGone lets the resolver ask for the paths of cgroups that it finds gone: those that are
// removed right after the process in them has had its port.
func (r *Resolver) AskGone(path gonePaths) { r.gone = path }

// Close frees what the resolver holds open.
func (r *Resolver) Close() error {
	var err error
	for _, paths := range []*cgroup.Paths{r.cgroups, r.cgroups1} {
		if paths != nil {
			err = errors.Join(err, paths.Close())
		}
	}
	return err
}

// Describe implements lifetime.Owners. The cgroup is the one at the time the port was
// assigned, looked up by its id: it is found also when the process is gone, and, where
// somebody was asked to watch, the cgroup, too. What the process
// runs is known if it still lives when it is met for the first time.
func (r *Resolver) Describe(o event.Owner) lifetime.Owner {
	if o.PID == 0 {
		return lifetime.Owner{}
	}
	key := o
	key.TID = 0 // threads share what is known
	k, ok := r.owners.get(key)
	switch {
	case !ok:
		var looked bool
		if k, looked = r.meet(o); looked {
			r.owners.put(key, k)
		}
	case k.pending:
		k.Place, k.pending = r.place(k.Place.Value().Cgroup)
		r.owners.put(key, k)
	}
	k.TID = o.TID
	return k.Owner
}

// meet finds out what there is to know of an owner, and whether there was time for all.
func (r *Resolver) meet(o event.Owner) (k known, looked bool) {
	path := r.path(o)
	seen, looked := r.onlooker.look(o, path == "" || r.mixed && placeOf(path).Container == "")
	if path == "" || telling(seen.cgroup) > telling(path) {
		path = seen.cgroup
	}
	k.Owner = lifetime.Owner{
		PID: o.PID, UID: o.UID,
		Comm:    o.Comm.String(),
		Program: lifetime.Intern(seen.program),
		User:    r.users.name(o.UID),
	}
	k.Place, k.pending = r.place(path)
	return k, looked
}

// path finds the path of an owner's cgroup, "" if nobody knows it: in version 2, or in version
// 1 where that tells more.
func (r *Resolver) path(o event.Owner) string {
	path := r.pathIn(r.cgroups, cgroupID{0, o.Cgroup})
	if o.Cgroup1 == 0 {
		return path
	}
	other := r.pathIn(r.cgroups1, cgroupID{r.version1, o.Cgroup1})
	if path == "/" || telling(other) > telling(path) { // where version 1 is used "/" says nothing
		return other
	}
	return path
}

func (r *Resolver) pathIn(paths *cgroup.Paths, id cgroupID) string {
	if path, ok := r.paths.get(id); ok {
		return path
	}
	var path string
	var ok bool
	if paths != nil {
		path, ok = paths.Path(id.id)
	}
	if !ok && r.gone != nil {
		path, _ = r.gone(id.hierarchy, id.id)
	}
	r.paths.put(id, path)
	return path
}

// place says what a path means, and whether more may be known later.
func (r *Resolver) place(path string) (where lifetime.Interned[lifetime.Place], pending bool) {
	if path == "" {
		return where, false
	}
	p, ok := r.places.get(path)
	if ok && (p.wait == 0 || time.Now().Before(p.next)) {
		return p.Interned, p.wait != 0
	}
	found := placeOf(path)
	switch complete := r.names.complete(&found); {
	case complete:
		p.wait = 0
	case p.wait == 0:
		p.wait = firstWait
	default:
		p.wait = min(2*p.wait, longWait)
	}
	p.Interned, p.next = lifetime.Intern(found), time.Now().Add(p.wait)
	r.places.put(path, p)
	return p.Interned, p.wait != 0
}

// NetNS implements lifetime.Owners.
func (r *Resolver) NetNS(inode uint32, at ktime.Time) lifetime.Interned[string] {
	return lifetime.Intern(r.netns.Name(inode, at))
}

// OfProcess returns what /proc says of a process that has a socket now: its name, what it
// runs and where, as the reader's own cgroup namespace shows it. What cannot be read is
// unknown.
func (r *Resolver) OfProcess(pid uint32) lifetime.Owner {
	o := lifetime.Owner{PID: pid}
	p, err := openProcess(pid)
	if err != nil {
		return o
	}
	if comm, err := p.read("comm", len(event.Comm{})+1); err == nil {
		o.Comm = string(bytes.TrimSuffix(comm, []byte("\n")))
	}
	if status, err := p.read("status", 1024); err == nil {
		o.UID = realUID(string(status))
		o.User = r.users.name(o.UID)
	}
	seen, _ := r.onlooker.read(p, true)
	o.Program = lifetime.Intern(seen.program)
	o.Place, _ = r.place(seen.cgroup)
	return o
}
