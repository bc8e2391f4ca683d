// Package pool knows what a namespace offers in ephemeral ports and how much of it is
// in use.
package pool

import (
	"fmt"
	"os"
	"strconv"
	"strings"

	"porttrace/internal/lifetime"
	"porttrace/internal/netns"
)

// Range is a namespace's range of ephemeral ports, with those that are reserved.
type Range struct {
	lifetime.Range
	reserved portSet
	evens    int // how many of Usable are even
}

// Contains says whether the kernel may choose the port.
func (r *Range) Contains(port uint16) bool { return port >= r.Lo && port <= r.Hi }

// IsReserved says whether the port is in ip_local_reserved_ports.
func (r *Range) IsReserved(port uint16) bool { return r.reserved.has(port) }

// ReadRange reads the range of a namespace, from inside it: /proc/sys/net shows the
// reader's own.
func ReadRange(ns netns.NS) (*Range, error) {
	var limits, reserved []byte
	err := ns.Do(func() (err error) {
		if limits, err = os.ReadFile("/proc/sys/net/ipv4/ip_local_port_range"); err != nil {
			return err
		}
		reserved, err = os.ReadFile("/proc/sys/net/ipv4/ip_local_reserved_ports")
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("reading the port range of network namespace %d: %w", ns.Inode, err)
	}
	r, err := parseRange(string(limits), string(reserved))
	if err != nil {
		return nil, fmt.Errorf("reading the port range of network namespace %d: %w", ns.Inode, err)
	}
	r.NetNS = ns.Inode
	return r, nil
}

func parseRange(limits, reserved string) (*Range, error) {
	fields := strings.Fields(limits)
	if len(fields) != 2 {
		return nil, fmt.Errorf("ip_local_port_range %q is not two numbers", limits)
	}
	lo, err1 := strconv.ParseUint(fields[0], 10, 16)
	hi, err2 := strconv.ParseUint(fields[1], 10, 16)
	if err1 != nil || err2 != nil || lo == 0 || lo > hi {
		return nil, fmt.Errorf("ip_local_port_range %q is not a range of ports", limits)
	}
	r := &Range{Range: lifetime.Range{Lo: uint16(lo), Hi: uint16(hi), Reserved: strings.TrimSpace(reserved)}}
	if err := r.reserve(r.Reserved); err != nil {
		return nil, err
	}
	for port := lo; port <= hi; port++ {
		if !r.IsReserved(uint16(port)) {
			r.Usable++
			r.evens += 1 - int(port&1)
		}
	}
	return r, nil
}

// reserve parses the kernel's bitmap list: "8080,9000-9100".
func (r *Range) reserve(list string) error {
	if list == "" {
		return nil
	}
	for part := range strings.SplitSeq(list, ",") {
		from, to, isRange := strings.Cut(part, "-")
		if !isRange {
			to = from
		}
		lo, err1 := strconv.ParseUint(from, 10, 16)
		hi, err2 := strconv.ParseUint(to, 10, 16)
		if err1 != nil || err2 != nil || lo > hi {
			return fmt.Errorf("ip_local_reserved_ports has %q, which is not a range of ports", part)
		}
		for port := lo; port <= hi; port++ {
			r.reserved.add(uint16(port))
		}
	}
	return nil
}
