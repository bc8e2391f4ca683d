package main

import (
	"encoding/binary"
	"errors"
	"fmt"
	"unsafe"

	"golang.org/x/sys/unix"
)

// way is one way to get a port from the kernel and to give it back. Every way draws from
// a range of its own, so that the number alone tells which one it was.
type way struct {
	name     string
	udp      bool
	take     func(fd int, v6 bool) error
	give     func(fd int) error // before the close; nil: the close does it
	refused  bool               // taking it gives it back
	timeWait bool               // the port stays for as long after the close
	fleeting bool               // no hook of the stable set sees it come and go
}

var ways = []way{
	{name: "connect, reset", take: connectTo(firstPort + int(reset)), give: lingerNot},
	{name: "connect, closed first", take: connectTo(firstPort + int(clientFirst)), timeWait: true},
	{name: "connect, closed last", take: connectTo(firstPort + int(serverFirst)), give: awaitEOF},
	{name: "connect, refused", take: refuse, refused: true},
	{name: "connect, no answer", take: connectUnanswered},
	{name: "bind(0)", take: bindZero},
	{name: "bind(0), connect", take: bindConnect, give: lingerNot},
	{name: "listen", take: func(fd int, _ bool) error { return unix.Listen(fd, 1) }},
	{name: "udp bind(0)", udp: true, take: bindZero},
	{name: "udp connect", udp: true, take: connectTo(udpPort)},
	{name: "udp disconnect", udp: true, take: connectTo(udpPort), give: disconnect, fleeting: true},
	{name: "udp send", udp: true, take: send},
}

// rangeOf is the way's local port range. Its ends differ in parity, as the kernel wants.
func rangeOf(way int) (first, last int) {
	const width = 2000
	first = 2000 + width*way
	return first, first + width - 1
}

// maxKnown keeps the ways' ranges far from full.
const maxKnown = 499

func connectTo(port int) func(int, bool) error {
	return func(fd int, v6 bool) error { return unix.Connect(fd, loopback(v6, port)) }
}

func refuse(fd int, v6 bool) error {
	err := unix.Connect(fd, loopback(v6, refusedPort))
	if errors.Is(err, unix.ECONNREFUSED) {
		return nil
	}
	return fmt.Errorf("connecting to where nobody listens: %w", err)
}

func connectUnanswered(fd int, v6 bool) error {
	if err := unix.SetNonblock(fd, true); err != nil {
		return err
	}
	err := unix.Connect(fd, loopback(v6, deafPort))
	if errors.Is(err, unix.EINPROGRESS) {
		return nil
	}
	return fmt.Errorf("connecting to a full backlog: %w", err)
}

func bindZero(fd int, v6 bool) error { return unix.Bind(fd, loopback(v6, 0)) }

func bindConnect(fd int, v6 bool) error {
	if err := bindZero(fd, v6); err != nil {
		return err
	}
	return unix.Connect(fd, loopback(v6, firstPort+int(reset)))
}

func send(fd int, v6 bool) error { return unix.Sendto(fd, payload[:], 0, loopback(v6, udpPort)) }

// lingerNot makes the close a reset.
func lingerNot(fd int) error {
	return unix.SetsockoptLinger(fd, unix.SOL_SOCKET, unix.SO_LINGER, &lingerZero)
}

func awaitEOF(fd int) error {
	if errno := waitEOF(uintptr(fd)); errno != 0 {
		return errno
	}
	return nil
}

func disconnect(fd int) error {
	nowhere := unix.RawSockaddr{Family: unix.AF_UNSPEC}
	if _, _, errno := unix.Syscall(unix.SYS_CONNECT, uintptr(fd), uintptr(unsafe.Pointer(&nowhere)), unsafe.Sizeof(nowhere)); errno != 0 {
		return errno
	}
	return nil
}

func loopback(v6 bool, port int) unix.Sockaddr {
	if v6 {
		return &unix.SockaddrInet6{Port: port, Addr: [16]byte{15: 1}}
	}
	return &unix.SockaddrInet4{Port: port, Addr: [4]byte{127, 0, 0, 1}}
}

func familyOf(v6 bool) int {
	if v6 {
		return unix.AF_INET6
	}
	return unix.AF_INET
}

// wire hears the segments of one family in this namespace: a refused socket has no port
// any more to be asked for.
type wire struct {
	fd int
	v6 bool
}

func newWire(v6 bool) (wire, error) {
	fd, err := unix.Socket(familyOf(v6), unix.SOCK_RAW|unix.SOCK_CLOEXEC|unix.SOCK_NONBLOCK, unix.IPPROTO_TCP)
	if err != nil {
		return wire{}, fmt.Errorf("listening to segments: %w", err)
	}
	return wire{fd, v6}, nil
}

// from returns the port that a segment to this one came from. On loopback it is there
// as soon as it was sent.
func (w wire) from(to int) (int, error) {
	buf := make([]byte, 256)
	for {
		n, _, err := unix.Recvfrom(w.fd, buf, 0)
		if err != nil {
			return 0, fmt.Errorf("looking for a segment to port %d: %w", to, err)
		}
		segment := buf[:n]
		if !w.v6 && n > 0 { // raw(7): IPv4's header is there, IPv6's is not
			segment = segment[min(n, 4*int(segment[0]&0xf)):]
		}
		if len(segment) >= 4 && int(binary.BigEndian.Uint16(segment[2:])) == to {
			return int(binary.BigEndian.Uint16(segment)), nil
		}
	}
}

func (w wire) close() { unix.Close(w.fd) }
