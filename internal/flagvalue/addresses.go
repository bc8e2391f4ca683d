package flagvalue

import (
	"cmp"
	"fmt"
	"net/netip"
	"slices"
	"strconv"
	"strings"
)

// Prefixes is a set of address ranges, IPv4 and IPv6. IPv4-mapped ones are IPv4.
type Prefixes struct {
	list []netip.Prefix
}

// Set adds a comma list of addresses and CIDR ranges.
func (p *Prefixes) Set(list string) (err error) {
	p.list, err = parseList(p.list, list, parsePrefix, netip.Prefix.Compare)
	return err
}

// String returns the sorted list, single addresses without a length.
func (p *Prefixes) String() string { return joinList(p.list, formatPrefix) }

// Type names the value in help texts.
func (*Prefixes) Type() string { return "CIDR" }

// List returns the ranges, masked and sorted. The caller owns it.
func (p *Prefixes) List() []netip.Prefix { return slices.Clone(p.list) }

// Destination is a range of remote addresses, and one port of theirs or all.
type Destination struct {
	Prefix netip.Prefix // masked
	Port   uint16       // 0: every port
}

// String returns the range, and the port where there is one: "10.0.0.0/8:443",
// "[2001:db8::/32]:443", "::1".
func (d Destination) String() string {
	text := formatPrefix(d.Prefix)
	if d.Port == 0 {
		return text
	}
	if d.Prefix.Addr().Is6() {
		text = "[" + text + "]"
	}
	return text + ":" + strconv.Itoa(int(d.Port))
}

// Contains says whether the address is in the range and the port is the one.
func (d Destination) Contains(to netip.AddrPort) bool {
	return d.Prefix.Contains(to.Addr().Unmap()) && (d.Port == 0 || d.Port == to.Port())
}

// Destinations is a set of destinations.
type Destinations struct {
	list []Destination
}

// Set adds a comma list of addresses and CIDR ranges, each with :PORT or without.
func (d *Destinations) Set(list string) (err error) {
	d.list, err = parseList(d.list, list, parseDestination, func(a, b Destination) int {
		return cmp.Or(a.Prefix.Compare(b.Prefix), cmp.Compare(a.Port, b.Port))
	})
	return err
}

// String returns the sorted list.
func (d *Destinations) String() string { return joinList(d.list, Destination.String) }

// Type names the value in help texts.
func (*Destinations) Type() string { return "CIDR[:PORT]" }

// List returns the destinations, sorted. The caller owns it.
func (d *Destinations) List() []Destination { return slices.Clone(d.list) }

func parsePrefix(s string) (netip.Prefix, error) {
	text, length, isRange := strings.Cut(s, "/")
	addr, err := netip.ParseAddr(text)
	if err != nil {
		return netip.Prefix{}, fmt.Errorf("%q: want an address, or a range such as 10.0.0.0/8 or 2001:db8::/32", s)
	}
	if addr.Zone() != "" {
		return netip.Prefix{}, fmt.Errorf("%q: leave out the zone: %s", s, addr.WithZone(""))
	}
	if !isRange {
		addr = addr.Unmap()
		return netip.PrefixFrom(addr, addr.BitLen()), nil
	}
	prefix, err := netip.ParsePrefix(s)
	if err != nil {
		return netip.Prefix{}, fmt.Errorf("%q: the length %q: want 0 to %d", s, length, addr.BitLen())
	}
	if addr.Is4In6() {
		if prefix.Bits() < 96 {
			return netip.Prefix{}, fmt.Errorf("%q cuts through the IPv4-mapped addresses: write the IPv4 range", s)
		}
		prefix = netip.PrefixFrom(addr.Unmap(), prefix.Bits()-96)
	}
	return prefix.Masked(), nil
}

func parseDestination(s string) (Destination, error) {
	text, portText, hasPort, err := splitPort(s)
	if err != nil {
		return Destination{}, err
	}
	var d Destination
	if hasPort {
		if d.Port, err = parsePort(portText); err != nil {
			return Destination{}, fmt.Errorf("%q: %w after the colon", s, err)
		}
	}
	if d.Prefix, err = parsePrefix(text); err != nil {
		return Destination{}, err
	}
	return d, nil
}

// splitPort splits "CIDR:PORT". Brackets are needed only around an IPv6 address without
// a length: after one a colon can only be the port's.
func splitPort(s string) (text, port string, hasPort bool, err error) {
	if inner, ok := strings.CutPrefix(s, "["); ok {
		text, rest, closed := strings.Cut(inner, "]")
		if port, hasPort = strings.CutPrefix(rest, ":"); !closed || !hasPort && rest != "" {
			return "", "", false, fmt.Errorf("%q: want [ADDRESS]:PORT or [CIDR]:PORT", s)
		}
		return text, port, hasPort, nil
	}
	head, tail := "", s
	if i := strings.LastIndexByte(s, '/'); i >= 0 {
		head, tail = s[:i], s[i:]
	}
	if strings.Count(tail, ":") != 1 {
		return s, "", false, nil
	}
	tail, port, _ = strings.Cut(tail, ":")
	if head+tail == "" {
		return "", "", false, fmt.Errorf("%q: want an address before the port: 0.0.0.0/0%s is all of IPv4, [::/0]%s all of IPv6", s, s, s)
	}
	return head + tail, port, true, nil
}

func formatPrefix(p netip.Prefix) string {
	if p.IsSingleIP() {
		return p.Addr().String()
	}
	return p.String()
}
