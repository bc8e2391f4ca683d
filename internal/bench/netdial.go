package main

import (
	"errors"
	"io"
	"net"
	"strconv"

	"golang.org/x/sys/unix"
)

// dial does the action the way an ordinary Go program would.
func (s *step) dial() unix.Errno {
	network, address := s.address()
	conn, err := net.Dial(network, address)
	if err != nil {
		return errnoOf(err)
	}
	defer conn.Close()
	switch {
	case s.udp:
		_, err = conn.Write(payload[:])
	case s.end == reset:
		err = conn.(*net.TCPConn).SetLinger(0)
	case s.end == serverFirst:
		_, err = io.Copy(io.Discard, conn)
	}
	return errnoOf(err)
}

func (a action) address() (network, address string) {
	network, host := "tcp", "127.0.0.1"
	if a.udp {
		network = "udp"
	}
	if a.v6 {
		host = "::1"
	}
	return network, net.JoinHostPort(host, strconv.Itoa(a.port()))
}

// errnoOf is 0 for no error, and EPROTO for one that no system call made.
func errnoOf(err error) unix.Errno {
	errno := unix.EPROTO
	if err == nil {
		return 0
	}
	errors.As(err, &errno)
	return errno
}
