package chaos

import (
	"encoding/binary"
	"fmt"

	"golang.org/x/sys/unix"
)

// addRoute adds a route of 16 bits through lo to the namespace of the calling thread.
func addRoute(to [4]byte, typ uint8) error {
	native := binary.NativeEndian
	attribute := func(msg []byte, typ uint16, value []byte) []byte {
		msg = native.AppendUint16(msg, uint16(4+len(value)))
		msg = native.AppendUint16(msg, typ)
		return append(msg, value...)
	}
	scope := uint8(unix.RT_SCOPE_UNIVERSE)
	if typ == unix.RTN_UNICAST {
		scope = unix.RT_SCOPE_LINK
	}
	msg := make([]byte, unix.NLMSG_HDRLEN)
	msg = append(msg, unix.AF_INET, 16, 0, 0, unix.RT_TABLE_MAIN, unix.RTPROT_BOOT, scope, typ, 0, 0, 0, 0)
	msg = attribute(msg, unix.RTA_DST, to[:])
	if typ == unix.RTN_UNICAST {
		msg = attribute(msg, unix.RTA_OIF, native.AppendUint32(nil, 1)) // lo is always the first
		msg = attribute(msg, unix.RTA_PREFSRC, []byte{127, 0, 0, 1})
	}
	native.PutUint32(msg[0:], uint32(len(msg)))
	native.PutUint16(msg[4:], unix.RTM_NEWROUTE)
	native.PutUint16(msg[6:], unix.NLM_F_REQUEST|unix.NLM_F_CREATE|unix.NLM_F_ACK)
	return exchange(msg)
}

// exchange sends a request to the kernel and returns the error it answers with.
func exchange(msg []byte) error {
	fd, err := unix.Socket(unix.AF_NETLINK, unix.SOCK_RAW|unix.SOCK_CLOEXEC, unix.NETLINK_ROUTE)
	if err != nil {
		return err
	}
	defer unix.Close(fd)
	if err := unix.Sendto(fd, msg, 0, &unix.SockaddrNetlink{Family: unix.AF_NETLINK}); err != nil {
		return err
	}
	answer := make([]byte, 4096)
	n, _, err := unix.Recvfrom(fd, answer, 0)
	if err != nil {
		return err
	}
	if n < unix.NLMSG_HDRLEN+4 {
		return fmt.Errorf("an answer of %d bytes", n)
	}
	if errno := -int32(binary.NativeEndian.Uint32(answer[unix.NLMSG_HDRLEN:])); errno != 0 {
		return unix.Errno(errno)
	}
	return nil
}
