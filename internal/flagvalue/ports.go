package flagvalue

import (
	"errors"
	"fmt"
	"math/bits"
	"strconv"
	"strings"
)

// Ports is a set of ports from 1 to 65535. The zero value is the empty set.
type Ports struct {
	bits [1024]uint64
}

// Set adds a comma list of ports and ranges: "60568", "60000-60999,443".
func (p *Ports) Set(list string) error {
	words, err := elements(list)
	if err != nil {
		return err
	}
	with := *p
	for _, word := range words {
		lo, hi, err := parseRange(word)
		if err != nil {
			return err
		}
		for port := int(lo); port <= int(hi); port++ {
			with.bits[port/64] |= 1 << (port % 64)
		}
	}
	*p = with
	return nil
}

// String returns the set sorted, with neighbours merged into ranges.
func (p *Ports) String() string {
	return joinList(p.Ranges(), func(r [2]uint16) string {
		if r[0] == r[1] {
			return strconv.Itoa(int(r[0]))
		}
		return fmt.Sprintf("%d-%d", r[0], r[1])
	})
}

// Type names the value in help texts.
func (*Ports) Type() string { return "LIST" }

// Bitmap returns the set with port n at bit n%64 of word n/64.
func (p *Ports) Bitmap() [1024]uint64 { return p.bits }

// Contains says whether the port is in the set.
func (p *Ports) Contains(port uint16) bool { return p.bits[port/64]>>(port%64)&1 == 1 }

// Empty says whether no port is in the set.
func (p *Ports) Empty() bool { return p.bits == [1024]uint64{} }

// Count returns how many ports are in the set.
func (p *Ports) Count() int {
	n := 0
	for _, word := range p.bits {
		n += bits.OnesCount64(word)
	}
	return n
}

// Ranges returns the set as the fewest ranges [first, last], in ascending order.
func (p *Ports) Ranges() [][2]uint16 {
	var ranges [][2]uint16
	for port := 1; port <= 65535; port++ {
		if !p.Contains(uint16(port)) {
			continue
		}
		if n := len(ranges); n > 0 && int(ranges[n-1][1]) == port-1 {
			ranges[n-1][1] = uint16(port)
		} else {
			ranges = append(ranges, [2]uint16{uint16(port), uint16(port)})
		}
	}
	return ranges
}

func parseRange(s string) (lo, hi uint16, err error) {
	first, last, isRange := strings.Cut(s, "-")
	if lo, err = parsePort(first); err != nil {
		return 0, 0, fmt.Errorf("%q: %w, or a range such as 60000-60999", s, err)
	}
	if !isRange {
		return lo, lo, nil
	}
	if hi, err = parsePort(last); err != nil {
		return 0, 0, fmt.Errorf("%q: %w at both ends", s, err)
	}
	if hi < lo {
		return 0, 0, fmt.Errorf("%q: the range is reversed: write %d-%d", s, hi, lo)
	}
	return lo, hi, nil
}

var errPort = errors.New("want a port from 1 to 65535")

func parsePort(s string) (uint16, error) {
	n, err := strconv.ParseUint(s, 10, 16)
	if err != nil || n == 0 {
		return 0, errPort
	}
	return uint16(n), nil
}
