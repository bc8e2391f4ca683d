package check

import (
	"errors"
	"fmt"
	"net/netip"
	"slices"

	"golang.org/x/sys/unix"

	"porttrace/internal/event"
	"porttrace/internal/lifetime"
	"porttrace/internal/sockdiag"
)

// socket is a holder of a port as the kernel's tables tell it.
type socket struct {
	netns    uint32
	inode    uint32 // 0: no descriptor leads to it
	uid      uint32
	proto    event.Proto
	state    event.State
	connects bool // draws from a pool of connect()
	src, dst netip.AddrPort
	cookie   uint64
}

// hold writes the socket into h. The path is connect or unknown: that is what pools ask.
func (s *socket) hold(h *lifetime.Hold) {
	*h = lifetime.Hold{
		NetNS: s.netns, Proto: s.proto, Port: s.src.Port(), Src: s.src.Addr(), State: s.state, Search: -1,
	}
	if s.dst.Port() != 0 {
		h.Dst = s.dst
	}
	if s.connects {
		h.Path = event.Connect
	}
}

// sockets implements pool.Holds.
type sockets []socket

// Each tells the sockets in their order, all in one hold.
func (all sockets) Each(f func(*lifetime.Hold)) {
	var h lifetime.Hold
	for i := range all {
		all[i].hold(&h)
		f(&h)
	}
}

// asked are the states of sockets. Requests to connect to a listener are none yet.
const asked = sockdiag.AllStates &^ (1 << sockdiag.NewSynRecv)

// dump adds the holders of ports in the namespace of the calling thread.
func (all sockets) dump(netns uint32, protos ...event.Proto) (sockets, error) {
	for _, proto := range protos {
		var told []sockdiag.Socket
		for _, family := range []int{unix.AF_INET, unix.AF_INET6} {
			more, err := sockdiag.Dump(family, int(proto), asked)
			if errors.Is(err, unix.ENOENT) { // sock_diag_rcv_msg found no handler
				return all, fmt.Errorf("%w: this kernel lacks the module %s_diag: load it", err, proto)
			}
			if err != nil {
				return all, err
			}
			told = append(told, more...)
		}
		all = all.add(netns, proto, told)
	}
	return all, nil
}

// add tells apart, as far as the tables show it, what the tracer sees happen:
//
//   - An accepted socket has its listener's port and is no hold. It is taken for one
//     accepted if a listener has its port, on its address or on any. If the listener has
//     left, it is told from no other connection, and counts: it keeps the port from others.
//   - Every other TCP socket with a destination is taken for one that connect() gave its
//     port, in whatever state, TIME_WAIT included. If it was bound before, the pool of its
//     tuple has one more in use than the tracer says, and one more usable: the same is left
//     over, as the kernel keeps connect() from that port either way.
//   - TCP sockets that are bound or listen, and all of UDP, draw from the pools of bind(). A
//     port of the range that the program named counts like one that the kernel chose.
func (all sockets) add(netns uint32, proto event.Proto, told []sockdiag.Socket) sockets {
	all = slices.Grow(all, len(told))
	listening := listeners{}
	for i := range told {
		if proto == event.TCP && told[i].State == sockdiag.Listen {
			listening.add(told[i].Src)
		}
	}
	for i := range told {
		t := &told[i]
		connected := proto == event.TCP && t.State != sockdiag.Listen && t.State != sockdiag.Close
		if t.Src.Port() == 0 || connected && listening.answer(t.Src) {
			continue
		}
		s := socket{
			netns: netns, inode: t.Inode, uid: t.UID, proto: proto, state: stateOf(t.State),
			connects: connected, src: t.Src, dst: t.Dst, cookie: t.Cookie,
		}
		if proto == event.TCP && !connected {
			s.dst = netip.AddrPort{} // of a connection that was
		}
		all = append(all, s)
	}
	return all
}

// listeners are the addresses of listeners, by their ports.
type listeners map[uint16][]netip.Addr

func (l listeners) add(at netip.AddrPort) { l[at.Port()] = append(l[at.Port()], at.Addr()) }

// answer says whether a listener answers at an address. One at "::" does for IPv4, too, but
// with IPV6_V6ONLY, which is not asked: connect() is not given the port then, either.
func (l listeners) answer(at netip.AddrPort) bool {
	return slices.ContainsFunc(l[at.Port()], func(addr netip.Addr) bool {
		return addr == at.Addr() || addr.IsUnspecified() && (addr.Is6() || at.Addr().Is4())
	})
}

// stateOf returns the holder's state by its own name.
func stateOf(s sockdiag.State) event.State {
	switch s {
	case sockdiag.Established:
		return event.Established
	case sockdiag.SynSent, sockdiag.SynRecv: // of both ends at once, or a fast open
		return event.SynSent
	case sockdiag.FinWait1:
		return event.FinWait1
	case sockdiag.FinWait2:
		return event.FinWait2
	case sockdiag.TimeWait:
		return event.TimeWait
	case sockdiag.CloseWait:
		return event.CloseWait
	case sockdiag.LastAck:
		return event.LastAck
	case sockdiag.Listen:
		return event.Listening
	case sockdiag.Closing:
		return event.Closing
	}
	return event.Bound
}
