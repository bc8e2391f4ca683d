package scenario

import (
	"net/netip"
	"os"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"
	"unsafe"

	"golang.org/x/sys/unix"

	"porttrace/internal/testutil"
)

// The few constants of include/uapi/linux/io_uring.h that one connect() takes.
const (
	ringOpConnect  = 16
	ringGetEvents  = 1
	ringOffSQ      = 0
	ringOffCQ      = 0x8000000
	ringOffEntries = 0x10000000
	sysRingEnter   = 426 // the same number on every architecture but alpha
)

// ringParams is struct io_uring_params.
type ringParams struct {
	sqEntries, cqEntries, flags, cpu, idle, features, wqFD uint32
	_                                                      [3]uint32
	sq                                                     struct {
		head, tail, mask, entries, flags, dropped, array, _ uint32
		_                                                   uint64
	}
	cq struct {
		head, tail, mask, entries, overflow, cqes, flags, _ uint32
		_                                                   uint64
	}
}

// ringSQE is the head of struct io_uring_sqe, 64 bytes in all.
type ringSQE struct {
	opcode, flags uint8
	ioprio        uint16
	fd            int32
	off, addr     uint64
	len, opFlags  uint32
	userData      uint64
	_             [24]byte
}

// ringConnect makes one io_uring for one connect() and returns its error.
func ringConnect(t testing.TB, fd int, to netip.AddrPort) error {
	t.Helper()
	var params ringParams
	ring, _, errno := unix.Syscall(unix.SYS_IO_URING_SETUP, 1, uintptr(unsafe.Pointer(&params)), 0)
	if errno != 0 {
		t.Fatalf("io_uring_setup: %v", errno)
	}
	defer unix.Close(int(ring))
	sq := mapRing(t, int(ring), ringOffSQ, params.sq.array+4*params.sqEntries)
	cq := mapRing(t, int(ring), ringOffCQ, params.cq.cqes+16*params.cqEntries)
	sqes := mapRing(t, int(ring), ringOffEntries, 64)
	defer func() { _ = unix.Munmap(sq); _ = unix.Munmap(cq); _ = unix.Munmap(sqes) }()

	name, size := rawSockaddr(to)
	*(*ringSQE)(unsafe.Pointer(&sqes[0])) = ringSQE{
		opcode: ringOpConnect, fd: int32(fd), off: uint64(size), addr: uint64(uintptr(unsafe.Pointer(name))),
	}
	atomic.StoreUint32(ringWord(sq, params.sq.tail), 1)
	if err := ringWait(ring); err != nil {
		t.Fatalf("io_uring_enter: %v", err)
	}
	if atomic.LoadUint32(ringWord(cq, params.cq.tail)) != 1 {
		t.Fatal("io_uring_enter: came back without a completion")
	}
	if result := int32(*ringWord(cq, params.cq.cqes+8)); result < 0 {
		return syscall.Errno(-result)
	}
	return nil
}

// ringWait submits the one entry and waits for its completion; signals interrupt only
// the waiting.
func ringWait(ring uintptr) error {
	submit := uintptr(1)
	for {
		n, _, errno := unix.Syscall6(sysRingEnter, ring, submit, 1, ringGetEvents, 0, 0)
		if errno == 0 && submit > n {
			continue
		}
		if errno != unix.EINTR {
			if errno == 0 {
				return nil
			}
			return errno
		}
		submit = 0
	}
}

func mapRing(t testing.TB, ring int, offset int64, size uint32) []byte {
	t.Helper()
	b, err := unix.Mmap(ring, offset, int(size), unix.PROT_READ|unix.PROT_WRITE, unix.MAP_SHARED|unix.MAP_POPULATE)
	if err != nil {
		t.Fatalf("mapping the io_uring: %v", err)
	}
	return b
}

func ringWord(b []byte, at uint32) *uint32 { return (*uint32)(unsafe.Pointer(&b[at])) }

// rawSockaddr is kept alive by the caller's stack frame holding the pointer.
func rawSockaddr(a netip.AddrPort) (*unix.RawSockaddrInet6, int) {
	raw := new(unix.RawSockaddrInet6)
	port := (*[2]byte)(unsafe.Pointer(&raw.Port))
	port[0], port[1] = byte(a.Port()>>8), byte(a.Port())
	if a.Addr().Is4() {
		v4 := (*unix.RawSockaddrInet4)(unsafe.Pointer(raw))
		v4.Family, v4.Addr = unix.AF_INET, a.Addr().As4()
		return raw, unix.SizeofSockaddrInet4
	}
	raw.Family, raw.Addr = unix.AF_INET6, a.Addr().As16()
	return raw, unix.SizeofSockaddrInet6
}

// tryRing returns why io_uring cannot be used.
func tryRing() error {
	var params ringParams
	fd, _, errno := unix.Syscall(unix.SYS_IO_URING_SETUP, 1, uintptr(unsafe.Pointer(&params)), 0)
	if errno != 0 {
		return errno
	}
	return unix.Close(int(fd))
}

// needRing skips where io_uring is not there or switched off.
func needRing(t testing.TB) {
	t.Helper()
	if err := tryRing(); err != nil {
		disabled, _ := os.ReadFile("/proc/sys/kernel/io_uring_disabled")
		testutil.Need(t, false, "io_uring (io_uring_setup: "+err.Error()+
			", kernel.io_uring_disabled="+strings.TrimSpace(string(disabled))+")")
	}
}

func connectRing(p *site) conn {
	needRing(p.t)
	c := tcpSock(p.t, p.ns, p.addr)
	if err := ringConnect(p.t, c.fd, p.at); err != nil {
		p.t.Fatalf("connect through io_uring: %v", err)
	}
	return p.joined(c)
}
