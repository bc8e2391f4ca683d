package check

import (
	"net/netip"

	"golang.org/x/sys/unix"

	"porttrace/internal/event"
	"porttrace/internal/lifetime"
)

// truth is what a test did: holds as a tracer would have seen them begin. It implements
// pool.Holds.
type truth struct {
	l     *lab
	holds []lifetime.Hold
}

func (h *truth) Each(f func(*lifetime.Hold)) {
	for i := range h.holds {
		f(&h.holds[i])
	}
}

func (h *truth) add(fd int, proto event.Proto, path event.Path, state event.State, dst string) {
	h.l.t.Helper()
	at := h.l.local(fd)
	hold := lifetime.Hold{
		ID: uint64(len(h.holds) + 1), NetNS: h.l.ns.Inode, Proto: proto, Path: path, State: state, Assigned: 1,
		Src: at.Addr(), Port: at.Port(),
	}
	if dst != "" {
		hold.Dst = netip.MustParseAddrPort(dst)
	}
	h.holds = append(h.holds, hold)
}

// Counts of sockets of each kind.
const (
	toFirst   = 31
	waiting   = 29
	toSecond  = 37
	boundV4   = 41
	listening = 3
	accepted  = 7
	udpBound  = 43
	udpTo     = 47
)

// populate makes sockets on every path, in a range of 300 ports.
func populate(l *lab) *truth {
	l.t.Helper()
	h := &truth{l: l}
	const tcp, udp = event.TCP, event.UDP
	first, second := l.listener("127.0.0.1:7001"), l.listener("[::1]:7002")
	for i := range toFirst + waiting {
		fd := l.connected(unix.SOCK_STREAM, "127.0.0.1:7001")
		far := l.accept(first)
		state := event.Established
		if i >= toFirst {
			l.endsInTimeWait(fd, far)
			state = event.TimeWait
		}
		h.add(fd, tcp, event.Connect, state, "127.0.0.1:7001")
	}
	for range toSecond {
		h.add(l.connected(unix.SOCK_STREAM, "[::1]:7002"), tcp, event.Connect, event.Established, "[::1]:7002")
		l.accept(second)
	}
	for range boundV4 {
		h.add(l.bound(unix.SOCK_STREAM, "127.0.0.2:0"), tcp, event.Bind, event.Bound, "")
	}
	for range listening {
		fd := l.socket(unix.AF_INET, unix.SOCK_STREAM)
		l.must(unix.Listen(fd, 100))
		h.add(fd, tcp, event.Listen, event.Listening, "")
		to := netip.AddrPortFrom(netip.MustParseAddr("127.0.0.3"), l.local(fd).Port()).String()
		for range accepted { // which have the listener's port, and are no holds
			h.add(l.connected(unix.SOCK_STREAM, to), tcp, event.Connect, event.Established, to)
			l.accept(fd)
		}
	}
	for range udpBound {
		h.add(l.bound(unix.SOCK_DGRAM, "[::1]:0"), udp, event.Bind, event.Bound, "")
	}
	for range udpTo {
		h.add(l.connected(unix.SOCK_DGRAM, "127.0.0.1:53"), udp, event.UDPConnect, event.Established, "127.0.0.1:53")
	}
	l.bound(unix.SOCK_DGRAM, "127.0.0.1:53") // outside of the range
	return h
}
