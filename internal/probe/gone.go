package probe

import (
	"fmt"

	"github.com/cilium/ebpf"
	"github.com/cilium/ebpf/link"
	"golang.org/x/sys/unix"
)

// The program that keeps the paths of cgroups as they are removed, and where.
const (
	cgroupGone  = "cgroup_gone"
	goneCgroups = "gone_cgroups"
)

// CgroupWatch knows the paths of cgroups that were removed while it watched: the last two
// thousand or so. It is safe for concurrent use.
type CgroupWatch struct {
	coll *ebpf.Collection
	link link.Link
}

// WatchCgroups begins to watch. It costs something only as a cgroup is removed.
func WatchCgroups() (*CgroupWatch, error) {
	raiseMemlock()
	coll, err := loadOnly(Fentry, cgroupGone)
	if err != nil {
		return nil, fmt.Errorf("watching cgroups: %w", explain(err))
	}
	l, err := link.AttachTracing(link.TracingOptions{Program: coll.Programs[cgroupGone]})
	if err != nil {
		coll.Close()
		return nil, fmt.Errorf("watching cgroups: %w", explain(err))
	}
	return &CgroupWatch{coll, l}, nil
}

// Path returns the path that a cgroup had, by its id in a hierarchy: 0 is the default one,
// and others are watched if owners are asked for them (cgroup.FindVersion1).
func (w *CgroupWatch) Path(hierarchy uint32, id uint64) (string, bool) {
	var kept bpfCgroupPath
	key := bpfCgroupKey{Id: id, Hierarchy: hierarchy}
	if err := w.coll.Maps[goneCgroups].Lookup(&key, &kept); err != nil {
		return "", false
	}
	path := unix.ByteSliceToString(kept.Path[:])
	return path, path != "" && len(path) < len(kept.Path)-1
}

// Close ends the watch.
func (w *CgroupWatch) Close() error {
	err := w.link.Close()
	w.coll.Close()
	return err
}
