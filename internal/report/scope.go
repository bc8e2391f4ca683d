package report

import (
	"net/netip"

	"porttrace/internal/event"
	"porttrace/internal/flagvalue"
	"porttrace/internal/lifetime"
)

// Scope is a part of a host that has its ports for itself, so that findings about it are
// whole: a network namespace, a protocol, and, of explicit addresses, a family. The zero
// value is all of the host.
type Scope struct {
	NetNS        uint32 // 0: all
	NoTCP, NoUDP bool
	NoIPv4       bool
	NoIPv6       bool
}

// has says whether a record is of the scope. Those about no socket are.
func (s *Scope) has(r *lifetime.Record) bool {
	switch {
	case r.Hold != nil:
		return s.hasSocket(r.Hold.NetNS, r.Hold.Proto, r.Hold.Src)
	case r.Type == lifetime.Failure:
		return s.hasSocket(r.Failure.NetNS, r.Failure.Proto, r.Failure.Src)
	case r.Type == lifetime.Pool:
		return s.hasSocket(r.Pool.NetNS, r.Pool.Proto, r.Pool.Src)
	}
	return true
}

func (s *Scope) hasSocket(netns uint32, proto event.Proto, src netip.Addr) bool {
	switch {
	case s.NetNS != 0 && netns != s.NetNS,
		s.NoTCP && proto == event.TCP, s.NoUDP && proto == event.UDP,
		s.NoIPv4 && src.Is4(), s.NoIPv6 && src.Is6():
		return false
	}
	return true
}

// namedPorts leaves out what is not about ports asked for.
type namedPorts struct {
	ports  *flagvalue.Ports
	ranges []lifetime.Range // of the recording's host when it began
}

// has says whether a record is about a port asked for, or about none.
func (n *namedPorts) has(r *lifetime.Record) bool {
	return r.Hold == nil || n.ports.Contains(r.Hold.Port)
}

// couldMeet says whether a failed search went through a port asked for, as far as the
// range is known.
func (n *namedPorts) couldMeet(info *lifetime.FailureInfo) bool {
	if info.Port != 0 {
		return n.ports.Contains(info.Port)
	}
	lo, hi := info.RangeLo, info.RangeHi
	for _, rng := range n.ranges {
		if rng.NetNS == info.NetNS && lo == 0 {
			lo, hi = rng.Lo, rng.Hi
		}
	}
	if lo == 0 {
		return true
	}
	for _, ports := range n.ports.Ranges() {
		if ports[0] <= hi && ports[1] >= lo {
			return true
		}
	}
	return false
}
