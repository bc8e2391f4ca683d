package main

import (
	"fmt"
	"io"
	"runtime/debug"
	"sync/atomic"
	"time"

	"golang.org/x/sys/unix"
)

// runServer accepts and closes. A number on its input is how many connections there
// were: it answers when it is through with as many.
func runServer(o options, stdin io.Reader, stdout io.Writer) error {
	debug.SetGCPercent(-1)
	var served atomic.Uint64
	for _, v6 := range o.families() {
		for end := reset; end < endings; end++ {
			fd, err := listen(v6, unix.SOCK_STREAM, firstPort+int(end), backlog)
			if err != nil {
				return err
			}
			go serve(fd, end, &served)
		}
		// Nobody reads: once its buffer is full the kernel drops datagrams silently.
		if _, err := listen(v6, unix.SOCK_DGRAM, udpPort, 0); err != nil {
			return err
		}
		if o.known > 0 {
			if err := listenDeaf(v6); err != nil {
				return err
			}
		}
	}
	fmt.Fprintln(stdout, "ready")
	var want uint64
	if _, err := fmt.Fscan(stdin, &want); err == io.EOF {
		return nil
	} else if err != nil {
		return fmt.Errorf("waiting for the number of connections: %w", err)
	}
	for deadline := time.Now().Add(patience); served.Load() < want; time.Sleep(time.Millisecond) {
		if time.Now().After(deadline) {
			return fmt.Errorf("the server saw %d connections of %d", served.Load(), want)
		}
	}
	fmt.Fprintln(stdout, "drained")
	_, err := io.Copy(io.Discard, stdin)
	return err
}

// families says which are IPv6.
func (o options) families() []bool {
	if o.mix == "all" {
		return []bool{false, true}
	}
	return []bool{false}
}

func listen(v6 bool, kind, port, backlog int) (int, error) {
	fail := func(err error) (int, error) {
		return -1, fmt.Errorf("listening on port %d: %w", port, err)
	}
	fd, err := unix.Socket(familyOf(v6), kind|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return fail(err)
	}
	if err := unix.Bind(fd, loopback(v6, port)); err != nil {
		return fail(err)
	}
	if kind == unix.SOCK_DGRAM {
		return fd, nil
	}
	if err := unix.Listen(fd, backlog); err != nil {
		return fail(err)
	}
	return fd, nil
}

// listenDeaf never accepts, and lets one connection fill its backlog: the kernel drops
// the SYN of any other.
func listenDeaf(v6 bool) error {
	if _, err := listen(v6, unix.SOCK_STREAM, deafPort, 0); err != nil {
		return err
	}
	fd, err := unix.Socket(familyOf(v6), unix.SOCK_STREAM|unix.SOCK_CLOEXEC, 0)
	if err == nil {
		err = unix.Connect(fd, loopback(v6, deafPort))
	}
	if err != nil {
		return fmt.Errorf("filling the backlog of port %d: %w", deafPort, err)
	}
	return nil
}

func serve(listener int, end ending, served *atomic.Uint64) {
	for {
		fd, _, errno := unix.Syscall6(unix.SYS_ACCEPT4, uintptr(listener), 0, 0, unix.SOCK_CLOEXEC, 0, 0)
		if errno != 0 {
			continue
		}
		if end == clientFirst {
			waitEOF(fd)
		}
		unix.RawSyscall(unix.SYS_CLOSE, fd, 0, 0)
		served.Add(1)
	}
}
