package scenario

import (
	"errors"
	"fmt"
	"net/netip"
	"runtime"
	"slices"
	"time"
	"unsafe"

	"golang.org/x/sys/unix"

	"porttrace/internal/event"
	"porttrace/internal/ktime"
	"porttrace/internal/lifetime"
	"porttrace/internal/sockdiag"
	"porttrace/internal/testutil"
	"porttrace/internal/thread"
)

// pace is the time from one connection of a ramp to the next: 226 ports last 45 s.
const pace = 200 * time.Millisecond

// as runs f on a thread of that name.
func (p *plot) as(name string, f func()) {
	p.t.Helper()
	whole := false
	thread.Spend(func() {
		text := append([]byte(name), 0)
		if err := unix.Prctl(unix.PR_SET_NAME, uintptr(unsafe.Pointer(&text[0])), 0, 0, 0); err != nil {
			p.t.Errorf("naming a thread: %v", err)
		}
		f()
		whole = true
	})
	if !whole { // f failed the test
		runtime.Goexit()
	}
}

// open connects n clients under the seed's name.
func (p *plot) open(n int) (conns []*subject) {
	p.t.Helper()
	p.as(p.name, func() {
		for range n {
			c := p.client()
			c.mustConnect(p.at)
			c.src = c.local()
			c.peer = p.srv.accept()
			conns = append(conns, c)
		}
	})
	return conns
}

// ramp connects at a constant rate, and has each do the same, until no port is left or
// the time is over.
func (p *plot) ramp(most time.Duration, each ...func(*subject)) {
	p.t.Helper()
	began := time.Now()
	for i := time.Duration(0); i*pace < most; i++ {
		time.Sleep(time.Until(began.Add(i * pace)))
		c := p.client()
		if err := c.connect(p.at); errors.Is(err, unix.EADDRNOTAVAIL) {
			p.failed = p.now()
			c.close()
			return
		} else if err != nil {
			p.t.Errorf("connect: %v", err)
			return
		}
		c.src, c.peer = c.local(), p.srv.accept()
		for _, do := range each {
			do(c)
		}
	}
}

// inVain has a victim ask for ports that there are not.
func (p *plot) inVain(to netip.AddrPort) {
	p.t.Helper()
	p.as("victim", func() {
		for range crowd {
			c := p.client()
			if err := c.connect(to); !errors.Is(err, unix.EADDRNOTAVAIL) {
				p.t.Errorf("connect without a free port: %v", err)
			}
			c.close()
		}
	})
}

// hangUp closes a connection, the near end first.
func hangUp(c *subject) {
	c.close()
	c.peer.awaitInput()
	c.peer.close()
}

func plantChurn(p *plot) {
	p.as(p.name, func() { p.ramp(time.Hour, hangUp) })
	p.measure = float64(p.counts(event.TCP)[sockdiag.TimeWait])
	p.inVain(p.at)
}

func plantLeak(p *plot) {
	p.as(p.name, func() { p.ramp(time.Hour) })
	p.inVain(p.at)
}

// What was wrong and is over is told: the connections are closed before the trace ends.
func plantCloseWait(p *plot) {
	conns := p.open(101)
	for _, c := range conns {
		c.peer.close()
	}
	p.measure = float64(len(conns))
	p.await()
	for _, c := range conns {
		c.close()
	}
}

func plantSynSent(p *plot) {
	p.srv.deafen()
	p.as(p.name, func() {
		for range 97 {
			p.client().beginConnect(p.at)
		}
	})
}

func plantFinWait2(p *plot) {
	conns := p.open(83)
	for _, c := range conns {
		c.close()
	}
	await(p.rig.t, "all in FIN_WAIT2", func() bool { return p.counts(event.TCP)[sockdiag.FinWait2] == len(conns) })
	p.measure = float64(len(conns))
}

func plantPoison(p *plot) {
	p.as(p.name, func() {
		for range p.ports {
			c := p.client()
			c.mustBind(netip.AddrPortFrom(p.addr, 0))
			c.mustConnect(p.at)
			p.srv.accept()
		}
	})
	other := netip.AddrPortFrom(p.addr, serverPort+1)
	serverAt(p.rig.t, p.ns, other)
	p.inVain(other)
}

func plantUDP(p *plot) {
	p.receiver()
	ask := &attempts[4]
	p.as(p.name, func() { ask.fill(p.rig, p.ports) })
	p.wait(p.ports, "assigns", lifetime.Assign, byPath(event.UDPConnect))
	p.as("victim", func() { ask.fail(p.rig) })
}

func plantSmall(p *plot) {
	p.open(p.ports)
	p.inVain(p.at)
}

func plantReserved(p *plot) {
	p.ns.Sysctl(p.t, "ipv4/ip_local_reserved_ports", fmt.Sprintf("%d-%d", firstPort, firstPort+p.ports-1))
	p.inVain(p.at)
}

// listeners is how many of the ports of plantListeners are listened on.
const listeners = 67

func plantListeners(p *plot) {
	p.as(p.name, func() {
		for i := range listeners {
			serverAt(p.rig.t, p.ns, netip.AddrPortFrom(p.addr, uint16(firstPort+i)))
		}
	})
	p.as("client", func() {
		for range p.ports - listeners {
			c := p.client()
			c.mustConnect(p.at)
			p.srv.accept()
		}
	})
	p.inVain(p.at)
}

func plantCliff(p *plot) {
	p.open(3001)
	p.await()
	searches := p.searches()
	slices.Sort(searches)
	got, want := valueOf(p.d.of(p.ns), "search_p50_ns"), float64(searches[len(searches)/2])
	if got < 0.75*want || got > 1.25*want {
		p.t.Errorf("half of the searches take %v ns, measured were %v", got, want)
	}
}

// searches are the searches past half of the ports that were measured.
func (p *plot) searches() (took []time.Duration) {
	held := p.d.tr.all(p.in(lifetime.Assign, func(r *told) bool { return r.Path == event.Connect }))
	slices.SortFunc(held, func(a, b told) int { return int(a.Assigned - b.Assigned) })
	for i, h := range held {
		if 2*(i+1) >= p.ports && h.Search >= 0 {
			took = append(took, h.Search)
		}
	}
	return took
}

func plantSocketRange(p *plot) {
	narrow := attempts[0]
	narrow.ask = func(s *sock, to netip.AddrPort) error {
		err := unix.SetsockoptInt(s.fd, unix.IPPROTO_IP, ipLocalPortRange, (firstPort+fourPorts-1)<<16|firstPort)
		testutil.Need(p.t, err == nil, "IP_LOCAL_PORT_RANGE (Linux 6.3)")
		return s.connect(to)
	}
	p.as(p.name, func() {
		narrow.fill(p.rig, fourPorts)
		narrow.fail(p.rig)
	})
}

func plantClash(p *plot) {
	p.as(p.name, func() {
		at := netip.AddrPortFrom(p.addr, 20000)
		p.sharing(unix.SO_REUSEADDR, at).mustConnect(p.at)
		for range crowd {
			p.clash(p.sharing(unix.SO_REUSEADDR, at))
		}
	})
}

func plantStranger(p *plot) {
	p.as(p.name, func() {
		for range crowd {
			s := tcpSock(p.rig.t, p.ns, p.addr)
			if err := s.bind(netip.AddrPortFrom(strangers[true], 0)); !errors.Is(err, unix.EADDRNOTAVAIL) {
				p.t.Errorf("bind to an address of nobody: %v", err)
			}
			s.close()
		}
	})
}

// fixed is a port that connect() takes before half of the range is used: it tries all
// ports of the parity of the first one before the others.
const fixed = firstPort + 10

func plantFixed(p *plot) {
	p.as("service", func() { serverAt(p.rig.t, p.ns, netip.AddrPortFrom(p.addr, fixed)).close() })
	p.open(p.ports/2 + 3)
	p.as("service", func() {
		s := tcpSock(p.rig.t, p.ns, p.addr)
		if err := s.bind(netip.AddrPortFrom(p.addr, fixed)); !errors.Is(err, unix.EADDRINUSE) {
			p.t.Errorf("bind to a port that was given away: %v", err)
		}
	})
}

func (p *plot) now() ktime.Wall { return p.rig.now() }
