package scenario

import (
	"testing"

	"porttrace/internal/event"
	"porttrace/internal/lifetime"
	"porttrace/internal/testutil"
)

func TestSmoke(t *testing.T) {
	tr := start(t, everything())
	ns := testutil.NewNetNS(t)
	srv, at := server(t, ns, v4)
	ports := map[uint16]bool{}
	for range 23 {
		c := tcpSock(t, ns, v4)
		c.mustConnect(at)
		ports[c.local().Port()] = true
		peer := srv.accept()
		c.resetOnClose()
		c.close()
		peer.close()
	}
	tr.wait(23, "assigns", in(ns, lifetime.Assign, byPath(event.Connect)))
	tr.wait(23, "releases", in(ns, lifetime.Release))
	tr.stop()
	for _, r := range tr.all(in(ns, lifetime.Release)) {
		if r.Reason != event.Reset || !ports[r.Port] {
			t.Errorf("got %+v", r)
		}
	}
}
