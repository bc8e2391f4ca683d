package scenario

import (
	"sync"
	"sync/atomic"
	"testing"

	"golang.org/x/sys/unix"

	"porttrace/internal/lifetime"
)

// Sockets enter TIME_WAIT while the hooks are attached and the first look is taken: all
// are in the picture, with nothing to put right later.
func TestStartAmidTimeWaits(t *testing.T) {
	p := tcpSite(t, v4)
	reachable(t, p.ns)
	var stop atomic.Bool
	var storm sync.WaitGroup
	t.Cleanup(func() { _ = unix.Shutdown(p.srv.fd, unix.SHUT_RD) })
	go acceptAndClose(p)
	for range 4 {
		storm.Go(func() {
			for !stop.Load() {
				c := tcpSock(t, p.ns, p.addr)
				if unix.Connect(c.fd, sockaddr(p.at)) != nil {
					c.resetOnClose()
				}
				c.close()
			}
		})
	}
	tr := start(t, withStates())
	tr.await(100, "assigns", in(p.ns, lifetime.Assign))
	stop.Store(true)
	storm.Wait()
	tr.stop() // which checks that nothing was put right
}
