package chaos

import (
	"net/netip"
	"unsafe"

	"golang.org/x/sys/unix"
)

// server returns a port of this namespace that is listened to, and whether it is ours.
func (w *worker) server() (port int, own bool) {
	slot := w.Slot
	if w.rng.IntN(4) == 0 {
		slot = w.rng.IntN(w.Slots)
	}
	return serverPort + slot, slot == w.Slot
}

// connect connects a TCP socket and returns false where connect() failed.
func (w *worker) connect(s *sock, addr netip.Addr, port int) bool {
	bound := s.role == roleBound
	err := unix.Connect(s.fd, s.kin.sockaddr(addr, port))
	switch err {
	case nil, unix.EINPROGRESS, unix.EINTR:
		s.role = roleClient
		if !bound {
			w.claim(s, "tcp", "connect")
		}
		return true
	case unix.ECONNREFUSED, unix.ECONNRESET, unix.ECONNABORTED, unix.ETIMEDOUT, unix.EHOSTUNREACH:
		s.unbind()
	}
	return false
}

// unbind notes that the kernel took a port away, which it does not where the program
// asked for the number. getsockname() still tells the old one.
func (s *sock) unbind() {
	if s.role = roleLoose; s.local().Port() >= explicitFirst && s.local().Port() < explicitFirst+explicitCount {
		s.role = roleBound
	}
}

// opConnect connects to a server of the namespace.
func (w *worker) opConnect() {
	s := w.newTCP(w.kin(), w.rng.IntN(2) == 0)
	if s == nil {
		return
	}
	switch w.rng.IntN(10) {
	case 0, 1:
		w.bind(s, 0)
	case 2:
		_ = unix.SetsockoptInt(s.fd, unix.IPPROTO_IP, unix.IP_BIND_ADDRESS_NO_PORT, 1)
		_ = unix.Bind(s.fd, s.kin.sockaddr(s.kin.loop, 0))
	case 3:
		_ = unix.SetsockoptInt(s.fd, unix.SOL_SOCKET, unix.SO_REUSEADDR, 1)
		w.bind(s, explicitFirst+w.rng.IntN(explicitCount))
	}
	port, own := w.server()
	w.call(s, port, own)
}

// call connects to a server, which accepts at once if it is ours.
func (w *worker) call(s *sock, port int, own bool) {
	if !w.connect(s, s.kin.loop, port) {
		if w.rng.IntN(2) == 0 {
			w.closeSock(s)
		}
		return
	}
	if own {
		w.calls[s.local()] = s
		w.accept(w.servers[0])
		w.accept(w.servers[1])
	}
}

// bind takes a port by bind(): any if it is 0.
func (w *worker) bind(s *sock, port int) {
	addr := s.kin.loop
	if w.rng.IntN(3) == 0 {
		addr = s.kin.any
	}
	if unix.Bind(s.fd, s.kin.sockaddr(addr, port)) != nil {
		return
	}
	s.role = roleBound
	if port == 0 {
		w.claim(s, "tcp", "bind")
	}
}

// accept takes all that wait at a listener.
func (w *worker) accept(listener *sock) {
	for {
		fd, from, err := unix.Accept4(listener.fd, unix.SOCK_CLOEXEC|unix.SOCK_NONBLOCK)
		if err != nil {
			return
		}
		s := &sock{fd: fd, kin: listener.kin, role: roleAccepted}
		at := addrPort(from)
		if client := w.calls[at]; client != nil {
			client.peer, s.peer = s, client
			delete(w.calls, at)
		}
		w.socks = append(w.socks, s)
	}
}

func (w *worker) opRefused() {
	s := w.newTCP(w.kin(), w.rng.IntN(3) == 0)
	if s == nil {
		return
	}
	if w.rng.IntN(4) == 0 {
		w.bind(s, 0)
	}
	w.connect(s, s.kin.loop, closedPort)
	if w.rng.IntN(3) != 0 {
		w.closeSock(s)
	}
}

// opVoid connects to what does not answer, so that SYN_SENT stays a while.
func (w *worker) opVoid() {
	k := w.kin()
	if k == kinV6 {
		k = kinV4
	}
	s := w.newTCP(k, true)
	if s == nil {
		return
	}
	if w.rng.IntN(5) == 0 {
		w.bind(s, 0)
	}
	if w.rng.IntN(2) == 0 {
		w.connect(s, k.loop, fullPort+w.Slot)
		return
	}
	addr := netip.AddrFrom4([4]byte{10, 9, 0, byte(w.rng.IntN(4))})
	if k == kinMapped {
		addr = netip.AddrFrom16(addr.As16())
	}
	w.connect(s, addr, 80)
}

// opUnroutable fails before a packet leaves.
func (w *worker) opUnroutable() {
	s := w.newTCP(kinV4, false)
	if s == nil {
		return
	}
	if w.rng.IntN(2) == 0 {
		w.bind(s, 0)
	}
	net := byte(7 + w.rng.IntN(2)) // 10.8: blackhole, 10.7: no route
	w.connect(s, netip.AddrFrom4([4]byte{10, net, 0, 1}), 80)
	w.closeSock(s)
}

func (w *worker) opBind() {
	if s := w.newTCP(w.kin(), false); s != nil {
		if w.rng.IntN(4) == 0 {
			_ = unix.SetsockoptInt(s.fd, unix.SOL_SOCKET, unix.SO_REUSEADDR, 1)
		}
		w.bind(s, 0)
	}
}

// opBoundOn goes on with a socket that is bound only.
func (w *worker) opBoundOn() {
	s := w.any(roleBound)
	if s == nil {
		return
	}
	if w.rng.IntN(3) == 0 {
		w.listen(s)
		return
	}
	port, own := w.server()
	w.call(s, port, own)
}

// opAgain connects a socket that lost its port, or never had one.
func (w *worker) opAgain() {
	if s := w.any(roleLoose); s != nil {
		port, own := w.server()
		w.call(s, port, own)
	}
}

// listen listens, and tells the driver before anyone can have connected.
func (w *worker) listen(s *sock) bool {
	unbound := s.role == roleLoose
	_ = unix.SetNonblock(s.fd, true)
	if unix.Listen(s.fd, 16) != nil {
		return false
	}
	s.role = roleListener
	at := s.local()
	if unbound {
		w.claim(s, "tcp", "listen")
	}
	w.tell("%s %d", tellListening, at.Port())
	w.flush()
	return true
}

// opListen listens on an ephemeral port and may have guests there.
func (w *worker) opListen() {
	s := w.newTCP(w.kin(), true)
	if s == nil {
		return
	}
	if w.rng.IntN(3) != 0 {
		w.bind(s, 0)
	}
	if !w.listen(s) {
		w.closeSock(s)
		return
	}
	for range w.rng.IntN(3) {
		w.visit(s)
	}
}

// opVisit connects to a listener on an ephemeral port.
func (w *worker) opVisit() {
	if s := w.any(roleListener); s != nil {
		w.visit(s)
	}
}

func (w *worker) visit(listener *sock) {
	at := listener.local()
	s := w.newTCP(listener.kin, true)
	if s == nil || !w.connect(s, listener.kin.loop, int(at.Port())) {
		return
	}
	w.calls[s.local()] = s
	w.accept(listener)
}

// opSelf connects a socket to itself, a simultaneous open.
func (w *worker) opSelf() {
	s := w.newTCP(kinV4, true)
	if s == nil {
		return
	}
	if unix.Bind(s.fd, s.kin.sockaddr(s.kin.loop, 0)) != nil {
		w.closeSock(s)
		return
	}
	s.role = roleBound
	at := w.claim(s, "tcp", "bind")
	w.connect(s, at.Addr(), int(at.Port()))
}

// disconnect calls connect() with AF_UNSPEC.
func disconnect(fd int) error {
	var raw unix.RawSockaddr // family 0
	_, _, errno := unix.Syscall(unix.SYS_CONNECT, uintptr(fd), uintptr(unsafe.Pointer(&raw)), unsafe.Sizeof(raw))
	if errno != 0 {
		return errno
	}
	return nil
}

func (w *worker) opDisconnect() {
	s := w.any(roleClient, roleClient, roleBound, roleListener, roleAccepted)
	if s == nil || disconnect(s.fd) != nil {
		return
	}
	if s.peer != nil {
		s.peer.peer, s.peer = nil, nil
	}
	if s.role != roleBound { // that one had nothing to disconnect
		s.unbind()
	}
	if w.rng.IntN(2) == 0 {
		port, own := w.server()
		w.call(s, port, own)
	}
}
