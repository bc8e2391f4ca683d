package scenario

import (
	"errors"
	"net/netip"
	"testing"

	"golang.org/x/sys/unix"

	"porttrace/internal/testutil"
)

// families runs a scenario once for each family.
func families(t *testing.T, f func(t *testing.T, addr netip.Addr)) {
	t.Helper()
	t.Run("ipv4", func(t *testing.T) { f(t, v4) })
	t.Run("ipv6", func(t *testing.T) { f(t, v6) })
}

// serverAt is a listener on an explicit port.
func serverAt(t testing.TB, ns *testutil.NetNS, at netip.AddrPort) *sock {
	t.Helper()
	s := tcpSock(t, ns, at.Addr())
	s.set(unix.SOL_SOCKET, unix.SO_REUSEADDR, 1)
	s.mustBind(at)
	s.listen()
	return s
}

// deafen makes a socket drop every segment that comes for it, as a firewall would.
func (s *sock) deafen() {
	s.t.Helper()
	drop := []unix.SockFilter{{Code: unix.BPF_RET | unix.BPF_K, K: 0}}
	prog := &unix.SockFprog{Len: 1, Filter: &drop[0]}
	if err := unix.SetsockoptSockFprog(s.fd, unix.SOL_SOCKET, unix.SO_ATTACH_FILTER, prog); err != nil {
		s.t.Fatalf("SO_ATTACH_FILTER: %v", err)
	}
}

// hearAgain ends deafen.
func (s *sock) hearAgain() {
	s.t.Helper()
	s.set(unix.SOL_SOCKET, unix.SO_DETACH_FILTER, 0)
}

// beginConnect starts a connect that nobody answers.
func (s *sock) beginConnect(to netip.AddrPort) {
	s.t.Helper()
	if err := unix.SetNonblock(s.fd, true); err != nil {
		s.t.Fatal(err)
	}
	if err := s.connect(to); !errors.Is(err, unix.EINPROGRESS) {
		s.t.Fatalf("connect to a black hole: %v, want %v", err, unix.EINPROGRESS)
	}
}

func (s *sock) shutdown(how int) {
	s.t.Helper()
	if err := unix.Shutdown(s.fd, how); err != nil {
		s.t.Fatalf("shutdown: %v", err)
	}
}

func (s *sock) send(data string) {
	s.t.Helper()
	if _, err := unix.Write(s.fd, []byte(data)); err != nil {
		s.t.Fatalf("write: %v", err)
	}
}

// awaitInput waits until there is something to read, be it the end.
func (s *sock) awaitInput() {
	s.t.Helper()
	fds := []unix.PollFd{{Fd: int32(s.fd), Events: unix.POLLIN}}
	await(s.t, "input", func() bool {
		n, err := unix.Poll(fds, 100)
		return err == nil && n == 1
	})
}
