package scenario

import (
	"errors"
	"net/netip"
	"testing"

	"github.com/cilium/ebpf"
	"golang.org/x/sys/unix"

	"porttrace/internal/event"
	"porttrace/internal/lifetime"
)

// wantEPERM checks that a call was refused by another program.
func wantEPERM(t *testing.T, err error) {
	t.Helper()
	if !errors.Is(err, unix.EPERM) {
		t.Fatalf("the call says %v, want %v: is the other program at work?", err, unix.EPERM)
	}
}

// refusals has another program refuse a crowd of calls, and returns what was told of them
// as failures.
func refusals(t *testing.T, p *site, tr *trace) []told {
	t.Helper()
	for range crowd {
		for _, s := range []*sock{tcpSock(t, p.ns, v4), udpSock(t, p.ns, v4)} {
			wantEPERM(t, s.bind(netip.AddrPortFrom(marked, 0)))
			wantEPERM(t, s.connect(netip.AddrPortFrom(marked, serverPort)))
			s.close()
		}
	}
	tr.mark(p)
	tr.truth(p.ns)
	tr.wait(1, "assigns", in(p.ns, lifetime.Assign)) // the mark alone
	return tr.all(in(p.ns, lifetime.Failure))
}

var refusing = []foreign{
	{ebpf.AttachCGroupInet4Bind, addrIP4, refuse},
	{ebpf.AttachCGroupInet4Connect, addrIP4, refuse},
}

// What another program refuses got no port, and nothing was wrong with the ports.
func TestRefusedByAnother(t *testing.T) {
	besides(t, refusing, attachment.runsBefore, func(t *testing.T, p *site, tr *trace) {
		failed := refusals(t, p, tr)
		if !tr.seesRefusals() {
			checkUnexplained(t, failed)
			return
		}
		for _, r := range failed {
			t.Errorf("told as a failure: %+v", *r.Failure)
		}
	})
}

// Of a program that has its say after ours, the stable set knows that there is no port,
// and makes up no cause.
func TestRefusedByLatecomer(t *testing.T) {
	besides(t, refusing, attachment.runsAfter, func(t *testing.T, p *site, tr *trace) {
		checkUnexplained(t, refusals(t, p, tr))
	})
}

func checkUnexplained(t *testing.T, failed []told) {
	t.Helper()
	for _, r := range failed {
		if r.Failure.Cause != lifetime.CauseUnknown {
			t.Errorf("a cause is made up: %+v", *r.Failure)
		}
	}
}

// A port that another program refuses after the kernel chose it is back at once; before
// Linux 5.17 (net: bpf: Handle return value of BPF_CGROUP_RUN_PROG_INET{4,6}_POST_BIND) the
// kernel forgets the address and not the port, which goes with the socket.
func TestRefusedAfterBind(t *testing.T) {
	programs := []foreign{{ebpf.AttachCGroupInet4PostBind, sockIP4, refuse}}
	besides(t, programs, attachment.runsBefore, func(t *testing.T, p *site, tr *trace) {
		if !tr.seesRefusals() {
			t.Log("this kernel does not tell the stable set: audits do")
			return
		}
		var refused []*sock
		for range crowd {
			for _, s := range []*sock{tcpSock(t, p.ns, v4), udpSock(t, p.ns, v4)} {
				wantEPERM(t, s.bind(netip.AddrPortFrom(marked, 0)))
				refused = append(refused, s)
			}
		}
		mark := tr.mark(p)
		if rows := len(p.ns.Table(t)) - 3; rows > 0 { // beside the server and both ends of the mark
			checkKept(tr, p, mark, 2*rows)
			for _, s := range refused {
				s.close()
			}
			tr.wait(2*crowd, "releases", in(p.ns, lifetime.Release))
		}
		tr.truth(p.ns)
	})
}

// checkKept checks that so many ports are held that nobody else can have. The kernel's
// tables list the UDP half of them, and with port 0.
func checkKept(tr *trace, p *site, mark want, n int) {
	tr.t.Helper()
	tr.wait(n+1, "assigns", in(p.ns, lifetime.Assign))
	for _, h := range tr.latest(p.ns) {
		if h.Port == mark.src.Port() {
			continue
		}
		other := udpSock(tr.t, p.ns, v4)
		if h.Proto == event.TCP {
			other = tcpSock(tr.t, p.ns, v4)
		}
		if err := other.bind(netip.AddrPortFrom(v4, h.Port)); !errors.Is(err, unix.EADDRINUSE) {
			tr.t.Errorf("%s: binding to it: %v, want %v", describe(&h), err, unix.EADDRINUSE)
		}
		other.close()
	}
}

// Where another program sends a connection elsewhere, as service meshes do, that is told.
func TestConnectRewritten(t *testing.T) {
	programs := []foreign{{ebpf.AttachCGroupInet4Connect, addrIP4,
		append(rewrite(addrIP4, inMemory(v4)), rewrite(addrPort, inNetOrder(serverPort))...)}}
	besides(t, programs, anyhow, func(t *testing.T, p *site, tr *trace) {
		var wants []want
		for range crowd {
			c := tcpSock(t, p.ns, v4)
			c.mustConnect(netip.AddrPortFrom(marked, 80))
			wants = append(wants, wantOf(p.joined(c), event.Connect, event.Established))
			u := conn{sock: udpSock(t, p.ns, v4)}
			u.mustConnect(netip.AddrPortFrom(marked, 80))
			wants = append(wants, wantOf(u, event.UDPConnect, event.Established))
		}
		tr.wait(2*crowd, "assigns", in(p.ns, lifetime.Assign))
		tr.truth(p.ns)
		checkHolds(t, tr.latest(p.ns), wants)
	})
}

// Where another program binds to another address, that is told.
func TestBindRewritten(t *testing.T) {
	programs := []foreign{{ebpf.AttachCGroupInet4Bind, addrIP4, rewrite(addrIP4, inMemory(v4))}}
	besides(t, programs, anyhow, func(t *testing.T, p *site, tr *trace) {
		var wants []want
		for range crowd {
			for _, s := range []*sock{tcpSock(t, p.ns, v4), udpSock(t, p.ns, v4)} {
				s.mustBind(netip.AddrPortFrom(marked, 0))
				wants = append(wants, wantOf(conn{sock: s}, event.Bind, event.Bound))
			}
		}
		tr.wait(2*crowd, "assigns", in(p.ns, lifetime.Assign))
		tr.truth(p.ns)
		checkHolds(t, tr.latest(p.ns), wants)
	})
}

// Where another program makes a port asked for one that the kernel is to choose, or the
// other way round, the held set is what the kernel's tables have.
func TestBindPortRewritten(t *testing.T) {
	t.Run("chosen by the kernel", func(t *testing.T) {
		programs := []foreign{{ebpf.AttachCGroupInet4Bind, addrIP4, rewrite(addrPort, 0)}}
		besides(t, programs, attachment.runsBefore, func(t *testing.T, p *site, tr *trace) {
			for range crowd {
				udpSock(t, p.ns, v4).mustBind(netip.AddrPortFrom(marked, 9999))
			}
			tr.mark(p)
			tr.truth(p.ns)
		})
	})
	t.Run("given", func(t *testing.T) {
		programs := []foreign{{ebpf.AttachCGroupInet4Bind, addrIP4, rewrite(addrPort, inNetOrder(serverPort))}}
		besides(t, programs, attachment.runsBefore, func(t *testing.T, p *site, tr *trace) {
			udpSock(t, p.ns, v4).mustBind(netip.AddrPortFrom(marked, 0))
			tr.mark(p)
			tr.truth(p.ns)
			tr.wait(1, "assigns", in(p.ns, lifetime.Assign)) // the mark alone
		})
	})
}
