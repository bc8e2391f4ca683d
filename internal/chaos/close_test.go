package chaos

import (
	"golang.org/x/sys/unix"
)

// ended returns a connected socket at random, of either end.
func (w *worker) ended() *sock { return w.any(roleClient, roleAccepted) }

// opClose closes any socket: which end of a connection goes first is chance.
func (w *worker) opClose() { w.closeSock(w.any()) }

// opCloseBoth closes one end, then the other, of a connection.
func (w *worker) opCloseBoth() {
	s := w.find(func(s *sock) bool { return s.peer != nil })
	if s == nil {
		return
	}
	peer := s.peer
	if w.rng.IntN(3) == 0 {
		write(peer.fd) // it will be unread
	}
	w.closeSock(s)
	w.closeSock(peer)
}

// opReset makes close() send a RST.
func (w *worker) opReset() {
	if s := w.ended(); s != nil {
		_ = unix.SetsockoptLinger(s.fd, unix.SOL_SOCKET, unix.SO_LINGER, &unix.Linger{Onoff: 1})
		w.closeSock(s)
	}
}

// opUnread closes a socket that has something to read, which sends a RST, too.
func (w *worker) opUnread() {
	if s := w.find(func(s *sock) bool { return s.peer != nil }); s != nil {
		write(s.peer.fd)
		w.closeSock(s)
	}
}

func (w *worker) opShutdown() {
	if s := w.ended(); s != nil {
		_ = unix.Shutdown(s.fd, unix.SHUT_WR)
	}
}

// opWrite writes to a peer, which may have gone: that answers with a RST.
func (w *worker) opWrite() {
	if s := w.ended(); s != nil {
		write(s.fd)
	}
}

func write(fd int) { _ = unix.Sendto(fd, []byte("chaos"), unix.MSG_DONTWAIT|unix.MSG_NOSIGNAL, nil) }

// opRead takes what came, so that a later close() sends a FIN.
func (w *worker) opRead() {
	if s := w.ended(); s != nil {
		_, _, _ = unix.Recvfrom(s.fd, make([]byte, 64), unix.MSG_DONTWAIT)
	}
}

// opHalf leaves an orphan behind: the other end keeps its own half open.
func (w *worker) opHalf() {
	s := w.find(func(s *sock) bool { return s.peer != nil })
	if s == nil {
		return
	}
	// Up to tcp_fin_timeout; beyond a minute not all of FIN_WAIT2 is in a mini-socket;
	// negative: no FIN_WAIT2 at all.
	lingers := []int{0, 0, 0, 1, 62, -1}
	if n := lingers[w.rng.IntN(len(lingers))]; n != 0 {
		_ = unix.SetsockoptInt(s.fd, unix.IPPROTO_TCP, unix.TCP_LINGER2, n)
	}
	w.closeSock(s)
}

// opCross closes both ends so that their FINs cross: one of them hears nothing of it
// until a retransmission.
func (w *worker) opCross() {
	s := w.find(func(s *sock) bool { return s.peer != nil && !s.deaf && !s.peer.deaf })
	if s == nil {
		return
	}
	peer := s.peer
	peer.deafen()
	_ = unix.Shutdown(s.fd, unix.SHUT_WR)
	_ = unix.Shutdown(peer.fd, unix.SHUT_WR)
	if w.rng.IntN(2) == 0 {
		peer.hearAgain()
	}
	if w.rng.IntN(2) == 0 {
		w.closeSock(s)
	}
}

// opDeafen makes an end drop all that it gets: the other one waits in FIN_WAIT1 or
// LAST_ACK once it closes.
func (w *worker) opDeafen() {
	if s := w.ended(); s != nil {
		s.deafen()
	}
}

func (w *worker) opHear() {
	if s := w.find(func(s *sock) bool { return s.deaf }); s != nil {
		s.hearAgain()
	}
}

func (s *sock) deafen() {
	drop := []unix.SockFilter{{Code: unix.BPF_RET | unix.BPF_K}}
	err := unix.SetsockoptSockFprog(s.fd, unix.SOL_SOCKET, unix.SO_ATTACH_FILTER, &unix.SockFprog{Len: 1, Filter: &drop[0]})
	s.deaf = err == nil
}

func (s *sock) hearAgain() {
	s.deaf = false
	_ = unix.SetsockoptInt(s.fd, unix.SOL_SOCKET, unix.SO_DETACH_FILTER, 0)
}
