// Package sockdiag lists the TCP and UDP sockets of a network namespace as the kernel
// has them, over NETLINK_SOCK_DIAG: what /proc/net/{tcp,udp} say, and TCP sockets that
// only have a port. It needs no privilege.
package sockdiag

import (
	"errors"
	"fmt"
	"net/netip"
	"slices"

	"golang.org/x/sys/unix"
)

// State is a state by the kernel's numbers (include/net/tcp_states.h). UDP sockets are
// Established once connected, else Close.
type State uint8

// The states.
const (
	Established State = iota + 1
	SynSent
	SynRecv // also a connection request, which is no socket yet: Dump asks for it as NewSynRecv
	FinWait1
	FinWait2 // also in a mini-socket without an inode
	TimeWait
	Close // of TCP sockets: it has a port and nothing else
	CloseWait
	LastAck
	Listen
	Closing
	NewSynRecv // only asked for, told as SynRecv
	// BoundInactive asks for TCP sockets that have a port and are neither connecting nor
	// listening. They are told as Close. Kernels before 6.8 tell none (commit
	// 91051f003948, "tcp: Dump bound-only sockets in inet_diag.").
	BoundInactive
)

// States is a set of states, a bit for each number.
type States uint32

// AllStates are all that the kernel knows.
const AllStates States = 1<<(BoundInactive+1) - 1<<Established

// Set returns the set of these states.
func Set(states ...State) States {
	var set States
	for _, s := range states {
		set |= 1 << s
	}
	return set
}

// Socket is a line of the kernel's tables.
type Socket struct {
	Src, Dst netip.AddrPort // IPv4-mapped as IPv4; Dst has port 0 where there is none
	Cookie   uint64         // unique since boot, the same in TIME_WAIT as before
	Inode    uint32         // 0: no descriptor leads to it
	UID      uint32         // of the owner; 0 where Inode is 0
	Family   uint8          // unix.AF_INET or AF_INET6
	State    State
}

const (
	// receiveBuffer is the room for answers that wait in the kernel.
	receiveBuffer = 1 << 20
	// readSize is the most that the kernel puts into one datagram of a dump
	// (NLMSG_GOODSIZE, netlink_dump: up to 32 KiB if the reader has room).
	readSize = 32 << 10
	// attempts is how often a dump that was interrupted is taken.
	attempts = 10
)

// Dump returns the sockets of one family (unix.AF_INET, AF_INET6), protocol
// (unix.IPPROTO_TCP, IPPROTO_UDP) and set of states, in the network namespace of the
// calling thread. The kernel walks its tables while they change: a socket that changes
// its state meanwhile may be told twice, with both states, or, if it goes from one
// table to another (bound to connected), not at all.
func Dump(family, proto int, states States) ([]Socket, error) {
	for range attempts {
		sockets, err := dump(uint8(family), uint8(proto), states)
		if !errors.Is(err, errInterrupted) {
			return sockets, err
		}
	}
	return nil, fmt.Errorf("listing sockets: %w %d times", errInterrupted, attempts)
}

func dump(family, proto uint8, states States) ([]Socket, error) {
	fd, err := open()
	if err != nil {
		return nil, fmt.Errorf("listing sockets: %w", err)
	}
	defer unix.Close(fd)
	if err := send(fd, request(family, proto, states)); err != nil {
		return nil, fmt.Errorf("listing sockets: asking: %w", err)
	}
	var sockets []Socket
	var interrupted bool
	for buf := make([]byte, readSize); ; {
		n, err := receive(fd, buf)
		if err != nil {
			return nil, fmt.Errorf("listing sockets: receiving: %w", err)
		}
		if room := n / socketSize; cap(sockets)-len(sockets) < room {
			sockets = slices.Grow(sockets, max(room, len(sockets))) // append grows by a quarter
		}
		var done bool
		sockets, done, err = parse(sockets, buf[:n])
		if errors.Is(err, errInterrupted) { // read on, to its end
			interrupted, err = true, nil
		}
		switch {
		case err != nil:
			return nil, fmt.Errorf("listing sockets: %w", err)
		case done && interrupted:
			return nil, errInterrupted
		case done:
			return sockets, nil
		}
	}
}

// open makes a socket for one dump: one that is left half-read is closed with it.
func open() (int, error) {
	fd, err := unix.Socket(unix.AF_NETLINK, unix.SOCK_RAW|unix.SOCK_CLOEXEC, unix.NETLINK_SOCK_DIAG)
	if err != nil {
		return -1, fmt.Errorf("opening a netlink socket: %w", err)
	}
	// Without CAP_NET_ADMIN net.core.rmem_max is the limit, which is no error.
	if unix.SetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_RCVBUFFORCE, receiveBuffer) != nil {
		_ = unix.SetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_RCVBUF, receiveBuffer)
	}
	return fd, nil
}

func send(fd int, msg []byte) error {
	for {
		err := unix.Sendto(fd, msg, 0, &unix.SockaddrNetlink{Family: unix.AF_NETLINK})
		if err != unix.EINTR {
			return err
		}
	}
}

// receive returns the length of the kernel's next datagram.
func receive(fd int, buf []byte) (int, error) {
	for {
		n, _, flags, from, err := unix.Recvmsg(fd, buf, nil, 0)
		switch {
		case err == unix.EINTR:
			continue
		case err != nil:
			return 0, err
		case flags&unix.MSG_TRUNC != 0:
			return 0, fmt.Errorf("a datagram of more than %d bytes", len(buf))
		}
		if sender, ok := from.(*unix.SockaddrNetlink); ok && sender.Pid == 0 {
			return n, nil
		} // else another process's, not the kernel's
	}
}
