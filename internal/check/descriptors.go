package check

import (
	"fmt"
	"os"
	"slices"
	"strconv"

	"golang.org/x/sys/unix"
)

// holders finds the processes that have sockets open, by the sockets' inodes. Of several
// that share one it is the first, as for the tracer's first look. Those that may not be
// looked into are left out.
func holders(wanted map[uint32]bool) (map[uint32]uint32, error) {
	found := make(map[uint32]uint32, len(wanted))
	if len(wanted) == 0 {
		return found, nil
	}
	pids, err := processes()
	if err != nil {
		return nil, err
	}
	for _, pid := range pids {
		eachSocket(pid, func(inode uint32) {
			if _, known := found[inode]; !known && wanted[inode] {
				found[inode] = pid
			}
		})
		if len(found) == len(wanted) {
			break
		}
	}
	return found, nil
}

func processes() ([]uint32, error) {
	proc, err := os.Open("/proc")
	if err != nil {
		return nil, fmt.Errorf("looking for the owners of sockets: %w", err)
	}
	defer proc.Close()
	names, err := proc.Readdirnames(-1)
	if err != nil {
		return nil, fmt.Errorf("looking for the owners of sockets: %w", err)
	}
	var pids []uint32
	for _, name := range names {
		if pid, err := strconv.ParseUint(name, 10, 32); err == nil {
			pids = append(pids, uint32(pid))
		}
	}
	slices.Sort(pids)
	return pids, nil
}

// eachSocket calls f for the inode of every socket that a process has open.
func eachSocket(pid uint32, f func(inode uint32)) {
	dir, err := os.Open(fmt.Sprintf("/proc/%d/fd", pid))
	if err != nil { // gone, or forbidden
		return
	}
	defer dir.Close()
	names, err := dir.Readdirnames(-1)
	if err != nil {
		return
	}
	var link [64]byte
	for _, name := range names {
		n, err := unix.Readlinkat(int(dir.Fd()), name, link[:])
		if err != nil {
			continue
		}
		if inode, ok := socketInode(link[:n]); ok {
			f(inode)
		}
	}
}

// socketInode reads "socket:[4711]" (sockfs_dname).
func socketInode(link []byte) (uint32, bool) {
	const before = "socket:["
	if len(link) <= len(before) || string(link[:len(before)]) != before || link[len(link)-1] != ']' {
		return 0, false
	}
	n, err := strconv.ParseUint(string(link[len(before):len(link)-1]), 10, 32)
	return uint32(n), err == nil
}
