package sockdiag

import (
	"encoding/binary"
	"errors"
	"fmt"
	"net/netip"

	"golang.org/x/sys/unix"
)

// The wire format (linux/netlink.h, linux/inet_diag.h), in native byte order but for
// addresses and ports.

const (
	headerSize  = unix.NLMSG_HDRLEN
	requestSize = 56 // struct inet_diag_req_v2
	socketSize  = 72 // struct inet_diag_msg; attributes may follow
)

var (
	errInterrupted = errors.New("the tables changed under the dump")
	errShort       = errors.New("message too short")
)

var native = binary.NativeEndian

// request returns a dump request.
func request(family, proto uint8, states States) []byte {
	msg := make([]byte, headerSize+requestSize)
	native.PutUint32(msg[0:], uint32(len(msg)))
	native.PutUint16(msg[4:], unix.SOCK_DIAG_BY_FAMILY)
	native.PutUint16(msg[6:], unix.NLM_F_REQUEST|unix.NLM_F_DUMP)
	body := msg[headerSize:]
	body[0], body[1] = family, proto
	native.PutUint32(body[4:], uint32(states))
	return msg
}

// parse appends the sockets of a datagram, which holds one message or more, and tells
// whether the dump is over. With errInterrupted all else it returns is valid.
func parse(sockets []Socket, in []byte) (out []Socket, done bool, err error) {
	for len(in) > 0 {
		if len(in) < headerSize {
			return sockets, false, fmt.Errorf("%w: %d bytes, want a header of %d", errShort, len(in), headerSize)
		}
		size := native.Uint32(in)
		if size < headerSize || uint64(size) > uint64(len(in)) {
			return sockets, false, fmt.Errorf("%w: it says %d bytes, of %d", errShort, size, len(in))
		}
		if native.Uint16(in[6:])&unix.NLM_F_DUMP_INTR != 0 {
			err = errInterrupted
		}
		typ, body := native.Uint16(in[4:]), in[headerSize:size]
		in = in[min(len(in), align(int(size))):]
		switch typ {
		case unix.NLMSG_NOOP:
		case unix.NLMSG_DONE, unix.NLMSG_ERROR:
			if status := parseStatus(typ, body); status != nil {
				return sockets, false, status
			}
			return sockets, true, err
		case unix.SOCK_DIAG_BY_FAMILY:
			s, bad := parseSocket(body)
			if bad != nil {
				return sockets, false, bad
			}
			sockets = append(sockets, s)
		default:
			return sockets, false, fmt.Errorf("message of type %d, want a socket", typ)
		}
	}
	return sockets, false, err
}

func align(n int) int { return (n + unix.NLMSG_ALIGNTO - 1) &^ (unix.NLMSG_ALIGNTO - 1) }

// parseStatus reads the errno that ends a dump. NLMSG_DONE has one too, since a dump may
// fail midway; very old kernels leave it out.
func parseStatus(typ uint16, body []byte) error {
	if len(body) < 4 {
		if typ == unix.NLMSG_DONE {
			return nil
		}
		return fmt.Errorf("%w: an error of %d bytes, want 4", errShort, len(body))
	}
	errno := -int32(native.Uint32(body))
	switch {
	case errno == 0:
		return nil
	case errno < 0:
		return fmt.Errorf("the kernel says error %d", -errno)
	}
	return fmt.Errorf("the kernel says: %w", unix.Errno(errno))
}

// parseSocket reads a struct inet_diag_msg.
func parseSocket(b []byte) (Socket, error) {
	if len(b) < socketSize {
		return Socket{}, fmt.Errorf("%w: a socket of %d bytes, want %d", errShort, len(b), socketSize)
	}
	family := b[0]
	if family != unix.AF_INET && family != unix.AF_INET6 {
		return Socket{}, fmt.Errorf("a socket of family %d", family)
	}
	return Socket{
		Family: family,
		State:  State(b[1]),
		Src:    parseAddr(family, b[8:24], b[4:6]),
		Dst:    parseAddr(family, b[24:40], b[6:8]),
		Cookie: uint64(native.Uint32(b[44:])) | uint64(native.Uint32(b[48:]))<<32,
		UID:    native.Uint32(b[64:]),
		Inode:  native.Uint32(b[68:]),
	}, nil
}

func parseAddr(family uint8, addr, port []byte) netip.AddrPort {
	ip := netip.AddrFrom16([16]byte(addr)).Unmap()
	if family == unix.AF_INET {
		ip = netip.AddrFrom4([4]byte(addr))
	}
	return netip.AddrPortFrom(ip, binary.BigEndian.Uint16(port))
}
