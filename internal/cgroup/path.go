package cgroup

import (
	"encoding/binary"
	"fmt"
	"os"
	"strings"

	"golang.org/x/sys/unix"
)

// fileidKernfs is the type of a kernfs file handle, whose content is the node's id
// (include/linux/exportfs.h, FILEID_KERNFS, 5.5+).
const fileidKernfs = 0xfe

func handle(id uint64) unix.FileHandle {
	return unix.NewFileHandle(fileidKernfs, binary.NativeEndian.AppendUint64(nil, id))
}

// Paths finds the path of a cgroup of one hierarchy by its id (bpf_get_current_cgroup_id,
// the inode of its directory). It is safe for concurrent use.
type Paths struct {
	root  *os.File
	above string // where the root is mounted; "" for a private mount
}

// OpenPaths returns a Paths on the whole hierarchy of version 2, mounted or not (see OpenRoot).
func OpenPaths() (*Paths, error) { return version2.openPaths() }

func (h hierarchy) openPaths() (*Paths, error) {
	root, err := h.openRoot()
	if err != nil {
		return nil, err
	}
	above, err := os.Readlink(selfPath(root))
	if err != nil {
		root.Close()
		return nil, fmt.Errorf("opening the %s hierarchy: %w", h.name(), err)
	}
	return &Paths{root, strings.TrimSuffix(above, "/")}, nil
}

// Close frees the mount.
func (p *Paths) Close() error { return p.root.Close() }

// Path returns the path of a cgroup inside the hierarchy, "/" for its root, and false
// if it is gone or may not be seen.
func (p *Paths) Path(id uint64) (string, bool) {
	fd, err := unix.OpenByHandleAt(int(p.root.Fd()), handle(id), unix.O_PATH|unix.O_CLOEXEC)
	if err != nil {
		return "", false
	}
	defer unix.Close(fd)
	full, err := os.Readlink(fmt.Sprintf("/proc/thread-self/fd/%d", fd))
	if err != nil || !strings.HasPrefix(full, p.above) || strings.HasSuffix(full, " (deleted)") {
		return "", false
	}
	if path := strings.TrimPrefix(full, p.above); path != "" {
		return path, true
	}
	return "/", true
}
