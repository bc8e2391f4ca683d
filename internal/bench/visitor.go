package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"slices"
	"time"

	"golang.org/x/sys/unix"
)

// window is when something happened: between two looks at the clock.
type window struct{ From, To time.Duration }

// use is one hold of a port as it truly was.
type use struct {
	Way                int // index in ways
	V6                 bool
	Port               int
	Assigned, Released window
}

// held is how long the use lasted, at least and at most.
func (u use) held() window {
	return window{u.Released.From - u.Assigned.To, u.Released.To - u.Assigned.From}
}

// visitor is the process that gets ports in every way, and knows what it did.
type visitor struct{ began time.Time }

func (v *visitor) now() time.Duration { return time.Since(v.began) }

// runVisitor uses the ports at the first byte of its input, waits until the last one is
// back, tells, and stays until the input ends.
func runVisitor(o options, stdin io.Reader, stdout io.Writer) error {
	// A port is to come back from TIME_WAIT by itself, not by being taken over.
	if err := os.WriteFile("/proc/sys/net/ipv4/tcp_tw_reuse", []byte("0"), 0); err != nil {
		return fmt.Errorf("preparing the network namespace: %w", err)
	}
	fmt.Fprintln(stdout, "ready")
	if !started(stdin) {
		return nil
	}
	v := &visitor{began: time.Now()}
	uses, err := v.visit(o.known)
	if err != nil {
		return err
	}
	if err := json.NewEncoder(stdout).Encode(uses); err != nil {
		return fmt.Errorf("telling the ports used: %w", err)
	}
	_, err = io.Copy(io.Discard, stdin)
	return err
}

// visit gets n ports in every way over each family.
func (v *visitor) visit(n int) ([]use, error) {
	var uses []use
	for i, w := range ways {
		first, last := rangeOf(i)
		if err := os.WriteFile("/proc/sys/net/ipv4/ip_local_port_range", fmt.Appendf(nil, "%d %d", first, last), 0); err != nil {
			return nil, fmt.Errorf("setting the port range: %w", err)
		}
		for _, v6 := range []bool{false, true} {
			for range n {
				u, err := v.use(w, v6)
				if err != nil {
					return nil, fmt.Errorf("%s: %w", w.name, err)
				}
				if u.Port < first || u.Port > last {
					return nil, fmt.Errorf("%s: port %d is not of the range %d to %d", w.name, u.Port, first, last)
				}
				u.Way, u.V6 = i, v6
				uses = append(uses, u)
			}
		}
	}
	if err := v.outwait(uses); err != nil {
		return nil, err
	}
	return uses, allFree(uses)
}

// use gets a port and gives it back.
func (v *visitor) use(w way, v6 bool) (u use, err error) {
	kind := unix.SOCK_STREAM
	if w.udp {
		kind = unix.SOCK_DGRAM
	}
	fd, err := unix.Socket(familyOf(v6), kind|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return u, fmt.Errorf("making a socket: %w", err)
	}
	open := true
	defer func() {
		if open {
			unix.Close(fd)
		}
	}()
	if u, err = v.take(w, fd, v6); err != nil {
		return u, err
	}
	u.Released.From = v.now()
	if w.give != nil {
		err = w.give(fd)
	}
	given := v.now()
	open = false
	if err := errors.Join(err, unix.Close(fd)); err != nil {
		return u, fmt.Errorf("giving the port back: %w", err)
	}
	u.Released.To = v.now()
	switch {
	case w.refused:
		u.Released = u.Assigned
	case w.udp && w.give != nil:
		u.Released.To = given
	}
	return u, nil
}

func (v *visitor) take(w way, fd int, v6 bool) (u use, err error) {
	var near wire
	if w.refused {
		if near, err = newWire(v6); err != nil {
			return u, err
		}
		defer near.close()
	}
	u.Assigned.From = v.now()
	if err := w.take(fd, v6); err != nil {
		return u, fmt.Errorf("getting a port: %w", err)
	}
	u.Assigned.To = v.now()
	switch {
	case w.refused:
		u.Port, err = near.from(refusedPort)
	case w.udp:
		// Not getsockname: some tracers come to know a port by it.
		u.Port, err = udpPortOf(fd, v6)
	default:
		u.Port, err = portOf(fd)
	}
	return u, err
}

func portOf(fd int) (int, error) {
	name, err := unix.Getsockname(fd)
	if err != nil {
		return 0, fmt.Errorf("asking a socket for its port: %w", err)
	}
	switch at := name.(type) {
	case *unix.SockaddrInet4:
		return at.Port, nil
	case *unix.SockaddrInet6:
		return at.Port, nil
	}
	return 0, errors.New("asking a socket for its port: it has none")
}

// outwait stays until the kernel lists none of the ports in TIME_WAIT any more, and notes
// when each went.
func (v *visitor) outwait(uses []use) error {
	const step, most = 100 * time.Millisecond, 3 * time.Minute // the kernel keeps them for one
	var waiting []*use
	for i := range uses {
		if u := &uses[i]; ways[u.Way].timeWait {
			u.Released.To = 0
			waiting = append(waiting, u)
		}
	}
	for began := time.Now(); time.Since(began) < most; time.Sleep(step) {
		from := v.now()
		there, err := tcpEnds()
		if err != nil {
			return err
		}
		to := v.now()
		waiting = slices.DeleteFunc(waiting, func(u *use) bool {
			switch {
			case there[end{u.V6, u.Port}]:
				u.Released = window{From: from}
			case u.Released.To == 0:
				u.Released.To = to
			default: // not there twice: a listing that changes while it is read may skip one
				return true
			}
			return false
		})
		if len(waiting) == 0 {
			return nil
		}
	}
	return fmt.Errorf("%d ports are still in TIME_WAIT after %s", len(waiting), most)
}

// allFree has the kernel say that no port is held any more: each can be bound.
func allFree(uses []use) error {
	for _, u := range uses {
		kind := unix.SOCK_STREAM
		if ways[u.Way].udp {
			kind = unix.SOCK_DGRAM
		}
		fd, err := unix.Socket(familyOf(u.V6), kind|unix.SOCK_CLOEXEC, 0)
		if err != nil {
			return fmt.Errorf("making a socket: %w", err)
		}
		err = unix.Bind(fd, loopback(u.V6, u.Port))
		unix.Close(fd)
		if err != nil {
			return fmt.Errorf("%s: port %d did not come back: %w", ways[u.Way].name, u.Port, err)
		}
	}
	return nil
}
