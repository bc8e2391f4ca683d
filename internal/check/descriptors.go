package check

import (
	"fmt"
	"os"
	"runtime"
	"slices"
	"strconv"
	"sync"

	"golang.org/x/sys/unix"
)

// chunk is some of a process's descriptors.
type chunk struct {
	pid   uint32
	dir   int // /proc/PID/fd, open until all chunks are done
	names []string
	done  func()
}

// chunkSize is so that one process with tens of thousands of sockets keeps all CPUs busy:
// reading where a descriptor of another process leads takes microseconds.
const chunkSize = 512

// search looks for the processes that have sockets open. It is safe for concurrent use.
type search struct {
	wanted map[uint32]bool // inodes; not written any more
	mu     sync.Mutex
	found  map[uint32]uint32 // process ids by inodes
}

// holders finds the processes that have sockets open, by the sockets' inodes. Of several
// that share one it is the one with the lowest id, as for the tracer's first look. Those
// that may not be looked into are left out.
func holders(wanted map[uint32]bool) (map[uint32]uint32, error) {
	s := &search{wanted: wanted, found: make(map[uint32]uint32, len(wanted))}
	if len(wanted) == 0 {
		return s.found, nil
	}
	pids, err := processes()
	if err != nil {
		return nil, err
	}
	chunks := make(chan chunk)
	var workers sync.WaitGroup
	for range runtime.GOMAXPROCS(0) {
		workers.Go(func() {
			for c := range chunks {
				s.read(c)
			}
		})
	}
	for _, pid := range pids { // the lowest first: what is found later changes nothing
		if s.isOver() {
			break
		}
		eachChunk(pid, func(c chunk) { chunks <- c })
	}
	close(chunks)
	workers.Wait()
	return s.found, nil
}

func (s *search) isOver() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return len(s.found) == len(s.wanted)
}

func (s *search) read(c chunk) {
	defer c.done()
	var link [64]byte
	for _, name := range c.names {
		n, err := unix.Readlinkat(c.dir, name, link[:])
		if err != nil { // closed meanwhile
			continue
		}
		if inode, ok := socketInode(link[:n]); ok && s.wanted[inode] {
			s.note(inode, c.pid)
		}
	}
}

func (s *search) note(inode, pid uint32) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if first, known := s.found[inode]; !known || pid < first {
		s.found[inode] = pid
	}
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

// eachChunk hands out the descriptors of a process, and returns when all are done.
func eachChunk(pid uint32, hand func(chunk)) {
	file, err := os.Open(fmt.Sprintf("/proc/%d/fd", pid))
	if err != nil { // gone, or forbidden
		return
	}
	defer file.Close()
	var at sync.WaitGroup
	defer at.Wait()
	for {
		names, err := file.Readdirnames(chunkSize)
		if len(names) > 0 {
			at.Add(1)
			hand(chunk{pid, int(file.Fd()), names, at.Done})
		}
		if err != nil { // its end, or the process's
			return
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
