package chaos

import (
	"golang.org/x/sys/unix"
)

// Where datagrams go: nobody reads them.
const udpPort = 5353

func (w *worker) opUDPSend() {
	if s := w.newUDP(w.kin()); s != nil {
		w.send(s)
	}
}

// send sends from a socket that has no port, which gives it one even where the send then
// fails with an error that an earlier datagram left behind.
func (w *worker) send(s *sock) {
	_ = unix.Sendto(s.fd, []byte("chaos"), 0, s.kin.sockaddr(s.kin.loop, udpPort))
	if w.claim(s, "udp", "udp-send").Port() != 0 {
		s.role = roleUDP
	}
}

func (w *worker) opUDPBind() {
	s := w.newUDP(w.kin())
	if s == nil {
		return
	}
	addr := s.kin.loop
	if w.rng.IntN(2) == 0 {
		addr = s.kin.any
	}
	if unix.Bind(s.fd, s.kin.sockaddr(addr, 0)) == nil {
		s.role = roleUDP
		w.claim(s, "udp", "bind")
	}
}

// opUDPConnect connects a socket without a port. Whether that is looked at is chance:
// the tracer has to find it by itself where not.
func (w *worker) opUDPConnect() {
	s := w.newUDP(w.kin())
	if s == nil || unix.Connect(s.fd, s.kin.sockaddr(s.kin.loop, udpPort)) != nil {
		return
	}
	s.role = roleUDPConnected
	if w.rng.IntN(2) == 0 {
		w.claim(s, "udp", "udp-connect")
	}
}

// opUDPAgain connects a socket that has a port, be it connected or not.
func (w *worker) opUDPAgain() {
	s := w.any(roleUDP, roleUDPConnected)
	if s != nil && unix.Connect(s.fd, s.kin.sockaddr(s.kin.loop, udpPort+w.rng.IntN(5))) == nil {
		s.role = roleUDPConnected
	}
}

// opUDPDisconnect takes the port away, having looked at it before, and uses the socket
// after: else the tracer need not see it. Closing it will not do, for there may be
// another descriptor. Nor can the tracer see it where the kernel chooses the same port
// again.
func (w *worker) opUDPDisconnect() {
	s := w.any(roleUDPConnected)
	if s == nil {
		return
	}
	old := s.local().Port()
	if disconnect(s.fd) != nil {
		return
	}
	s.role = roleUDPLoose
	path := "udp-connect"
	if w.rng.IntN(2) == 0 {
		path = "udp-send"
		_ = unix.Sendto(s.fd, []byte("chaos"), 0, s.kin.sockaddr(s.kin.loop, udpPort))
		s.role = roleUDP
	}
	if at := s.local(); at.Port() == 0 {
		path = "udp-connect"
		s.role = roleUDPLoose
		if unix.Connect(s.fd, s.kin.sockaddr(s.kin.loop, udpPort)) == nil {
			s.role = roleUDPConnected
		}
	}
	if s.local().Port() != old {
		w.claim(s, "udp", path)
	}
}

func (w *worker) opUDPWrite() {
	if s := w.any(roleUDPConnected); s != nil {
		_, _ = unix.Write(s.fd, []byte("chaos"))
	}
}
