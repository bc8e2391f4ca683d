package chaos

import (
	"net/netip"
	"os"
	"time"

	"golang.org/x/sys/unix"
)

// role says what a socket is good for.
type role int

const (
	roleFixed    role = iota // of the worker itself
	roleLoose                // TCP, no port
	roleBound                // TCP, a port and nothing else
	roleListener             // TCP, on an ephemeral port
	roleClient               // TCP, connected or trying to be
	roleAccepted
	roleUDP          // has a port
	roleUDPConnected // has a port, unless it was taken away
	roleUDPLoose
	roleOther // a second descriptor, or one from another worker: to be closed or passed on
)

// sock is a descriptor.
type sock struct {
	fd     int
	kin    kin
	role   role
	peer   *sock // the other end where it is this worker's too
	looked bool  // of roleUDPConnected: getsockname() was called since
	deaf   bool
}

// kin is a family, and the addresses that a test uses of it.
type kin struct {
	family    int
	loop, any netip.Addr
}

var (
	kinV4     = kin{unix.AF_INET, netip.MustParseAddr("127.0.0.1"), netip.IPv4Unspecified()}
	kinV6     = kin{unix.AF_INET6, netip.IPv6Loopback(), netip.IPv6Unspecified()}
	kinMapped = kin{unix.AF_INET6, netip.MustParseAddr("::ffff:127.0.0.1"), netip.IPv6Unspecified()}
)

func (w *worker) kin() kin {
	switch w.rng.IntN(4) {
	case 0:
		return kinV6
	case 1:
		return kinMapped
	}
	return kinV4
}

func (k kin) sockaddr(addr netip.Addr, port int) unix.Sockaddr {
	if k.family == unix.AF_INET {
		return &unix.SockaddrInet4{Port: port, Addr: addr.As4()}
	}
	return &unix.SockaddrInet6{Port: port, Addr: addr.As16()}
}

// newSock returns nil where the process has no descriptor left.
func (w *worker) newSock(k kin, typ int, r role) *sock {
	fd, err := unix.Socket(k.family, typ|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		w.fault("socket", err)
		return nil
	}
	s := &sock{fd: fd, kin: k, role: r}
	w.socks = append(w.socks, s)
	return s
}

// connectPatience bounds a blocking connect() to a server whose backlog filled up.
const connectPatience = 300 * time.Millisecond

func (w *worker) newTCP(k kin, nonblock bool) *sock {
	typ := unix.SOCK_STREAM
	if nonblock {
		typ |= unix.SOCK_NONBLOCK
	}
	s := w.newSock(k, typ, roleLoose)
	if s != nil {
		tv := unix.NsecToTimeval(int64(connectPatience))
		_ = unix.SetsockoptTimeval(s.fd, unix.SOL_SOCKET, unix.SO_SNDTIMEO, &tv)
	}
	return s
}

func (w *worker) newUDP(k kin) *sock {
	return w.newSock(k, unix.SOCK_DGRAM|unix.SOCK_NONBLOCK, roleUDPLoose)
}

func (w *worker) listenAt(k kin, port, backlog int) (*sock, error) {
	fd, err := unix.Socket(k.family, unix.SOCK_STREAM|unix.SOCK_CLOEXEC|unix.SOCK_NONBLOCK, 0)
	if err != nil {
		return nil, os.NewSyscallError("socket", err)
	}
	_ = unix.SetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_REUSEADDR, 1)
	if k.family == unix.AF_INET6 {
		_ = unix.SetsockoptInt(fd, unix.IPPROTO_IPV6, unix.IPV6_V6ONLY, 1)
	}
	if err := unix.Bind(fd, k.sockaddr(k.any, port)); err != nil {
		return nil, os.NewSyscallError("bind", err)
	}
	if err := unix.Listen(fd, backlog); err != nil {
		return nil, os.NewSyscallError("listen", err)
	}
	return &sock{fd: fd, kin: k, role: roleFixed}, nil
}

// forget takes a socket out of the list, without closing it.
func (w *worker) forget(s *sock) {
	for i, other := range w.socks {
		if other == s {
			last := len(w.socks) - 1
			w.socks[i] = w.socks[last]
			w.socks = w.socks[:last]
			break
		}
	}
	if s.peer != nil {
		s.peer.peer = nil
	}
}

func (w *worker) closeSock(s *sock) {
	if s == nil {
		return
	}
	w.forget(s)
	_ = unix.Close(s.fd)
}

// any returns a socket of one of these roles, of any if none is named; nil if there is
// none.
func (w *worker) any(roles ...role) *sock {
	return w.find(func(s *sock) bool {
		for _, r := range roles {
			if s.role == r {
				return true
			}
		}
		return len(roles) == 0
	})
}

// find returns a socket at random of those that suit.
func (w *worker) find(suits func(*sock) bool) *sock {
	var found *sock
	n := 0
	for _, s := range w.socks {
		if suits(s) {
			if n++; w.rng.IntN(n) == 0 {
				found = s
			}
		}
	}
	return found
}

// local returns what getsockname() says.
func (s *sock) local() netip.AddrPort {
	sa, err := unix.Getsockname(s.fd)
	s.looked = true
	if err != nil {
		return netip.AddrPort{}
	}
	return addrPort(sa)
}

func addrPort(sa unix.Sockaddr) netip.AddrPort {
	switch sa := sa.(type) {
	case *unix.SockaddrInet4:
		return netip.AddrPortFrom(netip.AddrFrom4(sa.Addr), uint16(sa.Port))
	case *unix.SockaddrInet6:
		return netip.AddrPortFrom(netip.AddrFrom16(sa.Addr).Unmap(), uint16(sa.Port))
	}
	return netip.AddrPort{}
}

// claim tells which port the kernel has just chosen for a socket, and how.
func (w *worker) claim(s *sock, proto, path string) netip.AddrPort {
	at := s.local()
	if at.Port() != 0 {
		w.tell("%s %s %s %s", tellClaim, proto, at, path)
	}
	return at
}
