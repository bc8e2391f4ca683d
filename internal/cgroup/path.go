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

// Paths finds the path of a cgroup by its id (bpf_get_current_cgroup_id, the inode of
// its directory). It is safe for concurrent use.
type Paths struct {
	mount *os.File
	root  string
}

// OpenPaths returns a Paths on the mounted hierarchy.
func OpenPaths() (*Paths, error) {
	root, err := Mounted()
	if err != nil {
		return nil, err
	}
	mount, err := os.Open(root)
	if err != nil {
		return nil, fmt.Errorf("opening the cgroup v2 hierarchy: %w", err)
	}
	return &Paths{mount, root}, nil
}

// Close frees the mount.
func (p *Paths) Close() error { return p.mount.Close() }

// Path returns the path of a cgroup inside the hierarchy, "/" for its root, and false
// if it is gone or may not be seen.
func (p *Paths) Path(id uint64) (string, bool) {
	handle := unix.NewFileHandle(fileidKernfs, binary.NativeEndian.AppendUint64(nil, id))
	fd, err := unix.OpenByHandleAt(int(p.mount.Fd()), handle, unix.O_PATH|unix.O_CLOEXEC)
	if err != nil {
		return "", false
	}
	defer unix.Close(fd)
	full, err := os.Readlink(fmt.Sprintf("/proc/self/fd/%d", fd))
	if err != nil || !strings.HasPrefix(full, p.root) || strings.HasSuffix(full, " (deleted)") {
		return "", false
	}
	if path := strings.TrimPrefix(full, p.root); path != "" {
		return path, true
	}
	return "/", true
}
