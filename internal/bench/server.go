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
	families := []int{unix.AF_INET}
	if o.mix == "all" {
		families = append(families, unix.AF_INET6)
	}
	for _, family := range families {
		for end := reset; end < endings; end++ {
			fd, err := listen(family, unix.SOCK_STREAM, firstPort+int(end))
			if err != nil {
				return err
			}
			go serve(fd, end, &served)
		}
		// Nobody reads: once its buffer is full the kernel drops datagrams silently.
		if _, err := listen(family, unix.SOCK_DGRAM, udpPort); err != nil {
			return err
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

func listen(family, kind, port int) (int, error) {
	fail := func(err error) (int, error) {
		return -1, fmt.Errorf("listening on port %d: %w", port, err)
	}
	fd, err := unix.Socket(family, kind|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return fail(err)
	}
	var at unix.Sockaddr = &unix.SockaddrInet4{Port: port, Addr: [4]byte{127, 0, 0, 1}}
	if family == unix.AF_INET6 {
		at = &unix.SockaddrInet6{Port: port, Addr: [16]byte{15: 1}}
	}
	if err := unix.Bind(fd, at); err != nil {
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
