package scenario

import (
	"errors"
	"net/netip"
	"testing"

	"github.com/cilium/ebpf/btf"
	"golang.org/x/sys/unix"

	"porttrace/internal/event"
	"porttrace/internal/lifetime"
	"porttrace/internal/probe"
	"porttrace/internal/testutil"
)

// need skips what this kernel cannot show.
func (a *attempt) need(t *testing.T, tr *trace) {
	t.Helper()
	if a.path == event.UDPSend {
		needFailedSends(t, tr.probe.Hooks())
	}
}

// needFailedSends skips what the stable set cannot see without a tracepoint.
func needFailedSends(t *testing.T, set probe.Set) {
	t.Helper()
	if set == probe.Fentry {
		return
	}
	spec, err := btf.LoadKernelSpec()
	if err != nil {
		t.Fatalf("reading the kernel's BTF: %v", err)
	}
	_, err = spec.AnyTypeByName("btf_trace_sock_send_length")
	testutil.Need(t, err == nil, "the tracepoint sock_send_length (Linux 6.3)")
}

func failureRangeReserved(t *testing.T, tr *trace) {
	for _, a := range attempts {
		t.Run(a.name, func(t *testing.T) {
			a.need(t, tr)
			families(t, func(t *testing.T, addr netip.Addr) {
				r := newRig(t, tr, addr)
				r.ns.Sysctl(t, "ipv4/ip_local_port_range", four)
				r.ns.Sysctl(t, "ipv4/ip_local_reserved_ports", "40000-40003")
				a.fail(r)
				r.checkUse(a.checkFailures(r, lifetime.RangeReserved), 0, 0)
			})
		})
	}
}

// ipLocalPortRange is IP_LOCAL_PORT_RANGE (6.3), which package unix does not name.
const ipLocalPortRange = 51

func failureSocketRange(t *testing.T, tr *trace) {
	for _, a := range attempts {
		t.Run(a.name, func(t *testing.T) {
			a.need(t, tr)
			families(t, func(t *testing.T, addr netip.Addr) {
				r := newRig(t, tr, addr)
				r.receiver()
				narrow := a
				narrow.ask = func(s *sock, to netip.AddrPort) error {
					err := unix.SetsockoptInt(s.fd, unix.IPPROTO_IP, ipLocalPortRange, 40003<<16|40000)
					testutil.Need(t, err == nil, "IP_LOCAL_PORT_RANGE (Linux 6.3)")
					return a.ask(s, to)
				}
				narrow.fill(r, fourPorts)
				narrow.fail(r)
				for _, f := range narrow.checkFailures(r, lifetime.SocketRange) {
					if f.Failure.RangeLo != 40000 || f.Failure.RangeHi != 40003 {
						t.Fatalf("range %d to %d, want 40000 to 40003", f.Failure.RangeLo, f.Failure.RangeHi)
					}
				}
			})
		})
	}
}

// Addresses of nobody (RFC 5737, RFC 3849).
var strangers = map[bool]netip.Addr{true: netip.MustParseAddr("192.0.2.1"), false: netip.MustParseAddr("2001:db8::1")}

func failureAddressNotLocal(t *testing.T, tr *trace) {
	for _, a := range []attempt{attempts[1], attempts[3]} {
		t.Run(a.name, func(t *testing.T) {
			families(t, func(t *testing.T, addr netip.Addr) {
				r := newRig(t, tr, addr)
				stranger := strangers[addr.Is4()]
				a.errno = unix.EADDRNOTAVAIL
				a.ask = func(s *sock, _ netip.AddrPort) error { return s.bind(netip.AddrPortFrom(stranger, 0)) }
				a.fail(r)
				for _, f := range a.checkFailures(r, lifetime.AddressNotLocal) {
					if f.Failure.Src != stranger {
						t.Fatalf("source %s, want %s", f.Failure.Src, stranger)
					}
				}
			})
		})
	}
}

// Two sockets of one port cannot have the same destination.
func failureTupleInUse(t *testing.T, tr *trace) {
	for name, option := range map[string]int{"SO_REUSEADDR": unix.SO_REUSEADDR, "SO_REUSEPORT": unix.SO_REUSEPORT} {
		t.Run(name, func(t *testing.T) {
			families(t, func(t *testing.T, addr netip.Addr) {
				r := newRig(t, tr, addr)
				at := netip.AddrPortFrom(addr, 20000)
				r.sharing(option, at).mustConnect(r.at)
				for range crowd {
					r.clash(r.sharing(option, at))
				}
				r.checkClashes(event.Explicit, map[uint16]bool{20000: true})
			})
		})
	}
	t.Run("bind to any port", func(t *testing.T) {
		families(t, func(t *testing.T, addr netip.Addr) {
			r := newRig(t, tr, addr)
			taken := map[uint16]bool{}
			for range crowd {
				late := r.sharing(unix.SO_REUSEADDR, netip.AddrPortFrom(addr, 0))
				taken[late.local().Port()] = true
				r.sharing(unix.SO_REUSEADDR, late.local()).mustConnect(r.at)
				r.clash(late)
			}
			r.checkClashes(event.Bind, taken)
			r.wait(crowd, "assigns", lifetime.Assign)
			r.wait(crowd, "releases: the kernel took the port back", lifetime.Release)
		})
	})
}

// sharing is a bound socket that lets others have its port too.
func (r *rig) sharing(option int, at netip.AddrPort) *sock {
	r.t.Helper()
	s := tcpSock(r.t, r.ns, r.addr)
	s.set(unix.SOL_SOCKET, option, 1)
	s.mustBind(at)
	return s
}

func (r *rig) clash(s *sock) {
	r.t.Helper()
	if err := s.connect(r.at); !errors.Is(err, unix.EADDRNOTAVAIL) {
		r.t.Fatalf("connect of a tuple in use: %v, want %v", err, unix.EADDRNOTAVAIL)
	}
}

func (r *rig) checkClashes(path event.Path, ports map[uint16]bool) {
	r.t.Helper()
	for _, f := range r.wait(crowd, "failures", lifetime.Failure) {
		got := f.Failure
		if got.Cause != lifetime.TupleInUse || got.Errno != "EADDRNOTAVAIL" || got.Path != path ||
			got.Dst != r.at || got.Src != r.addr || !ports[got.Port] || !isOwn(got.Owner) {
			r.t.Fatalf("got %+v, want a tuple in use to %s", *got, r.at)
		}
	}
}
