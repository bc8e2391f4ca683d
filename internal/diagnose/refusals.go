package diagnose

import (
	"fmt"

	"porttrace/internal/lifetime"
)

// refusals tells of failures that are no exhaustion, however much their errno looks
// like it.
func (c *court) refusals(p *place) {
	if f := p.failures[lifetime.TupleInUse]; f != nil {
		c.refusal(TupleClash, p, f,
			fmt.Sprintf("the connection exists already: %s from port %d %s", times(f.n, call(f.worst.Path, p.key.Proto), f.worst.Errno), f.worst.Port, where(p.key)),
			"it is not exhaustion: the program binds a port of its own before connect() and uses it again for the same destination while the last connection, maybe its TIME_WAIT, is there; let the kernel choose the port (drop the bind, or set IP_BIND_ADDRESS_NO_PORT and bind to port 0)")
	}
	if f := p.failures[lifetime.AddressNotLocal]; f != nil && !probesIPv6(f) {
		c.refusal(AddressNotLocal, p, f,
			fmt.Sprintf("%s is no address of this host: %s", address(f.worst.Src), times(f.n, call(f.worst.Path, p.key.Proto), f.worst.Errno)),
			"it is not exhaustion: have the program bind to an address that the host has (ip address), or to the wildcard; addresses that come later (VRRP, failover) need net.ipv4.ip_nonlocal_bind=1 or IP_FREEBIND")
	}
	if f := p.failures[lifetime.SocketRange]; f != nil {
		size := int(f.worst.RangeHi) - int(f.worst.RangeLo) + 1
		what := fmt.Sprintf("%d-%d", f.worst.RangeLo, f.worst.RangeHi)
		if f.worst.RangeHi == 0 || f.worst.RangeLo == 0 || size < 1 {
			size, what = 0, fmt.Sprintf("from %d to %d (0: the namespace's end)", f.worst.RangeLo, f.worst.RangeHi)
		}
		c.refusal(SocketRange, p, f,
			fmt.Sprintf("the program's own port range is too small: %s %s, IP_LOCAL_PORT_RANGE %s", times(f.n, call(f.worst.Path, p.key.Proto), f.worst.Errno), where(p.key), what),
			"widen or drop IP_LOCAL_PORT_RANGE in the program; the namespace's range has ports left", Number{"socket_range", float64(size)})
	}
}

// often is how many refusals are more than a program that tries something once.
const often = 3

// probesIPv6 says whether what failed is how programs find out that there is no IPv6:
// Go's net package, for one, binds ::1 at its start.
func probesIPv6(f *failed) bool { return f.worst.Src.Is6() && f.worst.Src.IsLoopback() }

func (c *court) refusal(id ID, p *place, f *failed, title, remedy string, more ...Number) {
	who := f.who()
	if who.isKnown() {
		title += ", by " + who.name()
	}
	evidence := append([]Number{{"failures", float64(f.n)}}, more...)
	if f.worst.InUse >= 0 && f.worst.Usable >= 0 {
		evidence = append(evidence, Number{"in_use", float64(f.worst.InUse)}, Number{"usable", float64(f.worst.Usable)})
	}
	severity := Warning
	if f.n < often {
		severity = Info
	}
	key := p.key
	c.add(mark{id: id, pool: key}, scored{Finding: Finding{
		Severity: severity, Title: title, Culprit: who.culprit(), Pool: &key, Evidence: evidence, Remedy: remedy,
	}, weight: 0.5, size: f.n, netns: key.NetNS, proto: key.Proto})
}
