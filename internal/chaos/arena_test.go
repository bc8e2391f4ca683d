package chaos

import (
	"fmt"
	"testing"

	"golang.org/x/sys/unix"

	"porttrace/internal/testutil"
)

// crewSize is how many workers share a namespace.
const crewSize = 2

// arena is a namespace with its workers.
type arena struct {
	ns     *testutil.NetNS
	crew   []*member
	narrow bool // its port range is
}

// settings make what lasts minutes by default last seconds.
var settings = map[string]string{
	"ipv4/tcp_fin_timeout":     "3",
	"ipv4/tcp_orphan_retries":  "2",
	"ipv4/tcp_retries2":        "4",
	"ipv4/tcp_syn_retries":     "1",
	"ipv4/tcp_synack_retries":  "1",
	"ipv4/tcp_tw_reuse":        "1",
	"ipv4/ip_local_port_range": wideRange,

	"ipv4/ip_local_reserved_ports": fmt.Sprintf("%d-%d", explicitFirst, firstEphemeral-1),
}

// wideRange has the ports that workers ask for by number in it: a mini-socket of such a port
// looks like any other's.
var wideRange = fmt.Sprintf("%d 60999", explicitFirst)

// open makes an arena's namespace and workers, which are quiet.
func (r *run) open(a *arena) {
	r.t.Helper()
	a.ns, a.narrow = testutil.NewNetNS(r.t), false
	for name, value := range settings {
		a.ns.Sysctl(r.t, name, value)
	}
	a.route(r.t, [4]byte{10, 9}, unix.RTN_UNICAST)   // through lo, where nobody has such an address: no answer
	a.route(r.t, [4]byte{10, 8}, unix.RTN_BLACKHOLE) // an error at once
	for slot := range crewSize {
		a.crew = append(a.crew, r.startMember(a, slot))
	}
}

// route adds a route of 16 bits.
func (a *arena) route(t testing.TB, to [4]byte, typ uint8) {
	t.Helper()
	var err error
	a.ns.Do(func() { err = addRoute(to, typ) })
	if err != nil {
		t.Fatalf("adding a route: %v", err)
	}
}

// destroy ends an arena with all that is in it.
func (a *arena) destroy() {
	for _, m := range a.crew {
		m.kill()
	}
	a.crew = nil
	if a.ns != nil {
		a.ns.Destroy()
	}
}
