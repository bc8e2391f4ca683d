// Package event holds what the kernel side tells: facts about one socket at one
// instant, in the kernel's terms. It does no I/O.
package event

import (
	"net/netip"

	"porttrace/internal/ktime"
)

// Kind says what happened.
type Kind uint8

// The kinds, numbered as enum event_kind in bpf/event.h.
const (
	Assign  Kind = iota + 1 // a port was assigned
	Entered                 // the holder entered Hold.State
	Release                 // the port left the bind table
	Revoke                  // the release just told was the restart of a time-wait timer
	Expire                  // the release just told was that timer's expiry
	Failure                 // no port was found, or the tuple was refused
	Pending                 // a UDP socket asks for a port that only an iterator will see
	Held                    // an iterator confirms it: held at this moment
	Tuple                   // connect() gave a socket that had its port a destination
	Found                   // an iterator took it in: no hook had told of it
)

// ID tells holds apart: a socket (by cookie) may own several ports one after the
// other, never two born at the same instant.
type ID struct {
	Cookie uint64
	Born   ktime.Time
}

// Owner is the task that made the kernel assign the port. PID 0 means unknown.
type Owner struct {
	PID, TID, UID uint32
	Started       uint32 // the process, in clock ticks of 10 ms since boot, which come round in 497 days
	Cgroup        uint64 // id in the default hierarchy
	Cgroup1       uint64 // id in the hierarchy of cgroup v1 that is asked (cgroup.FindVersion1), 0: none is
	Comm          Comm
}

// Comm is a task's name as the kernel keeps it: up to 15 bytes of any value.
type Comm [16]byte

// String returns the bytes before the first NUL, unescaped.
func (c Comm) String() string {
	for i, b := range c {
		if b == 0 {
			return string(c[:i])
		}
	}
	return string(c[:])
}

// Addr is an IPv6 address, or an IPv4 address mapped into one. All zeros is "::".
type Addr [16]byte

// Netip returns the address, IPv4-mapped ones as IPv4.
func (a Addr) Netip() netip.Addr { return netip.AddrFrom16(a).Unmap() }

// Hold is one socket's ownership of one local port (struct hold in bpf/event.h).
type Hold struct {
	ID
	Assigned ktime.Time // zero: unknown, before the trace began
	Search   uint64     // ns the kernel searched for the port; NoSearch: not measured
	Owner    Owner
	InState  [States]uint64 // ns spent in each state, up to the event's time
	Src, Dst Addr
	NetNS    uint32 // inode
	Port     uint16
	DstPort  uint16 // 0: Dst is unknown
	Proto    Proto
	Path     Path
	State    State
	Unclosed bool // the kernel's own socket, whose end no hook sees
	Searched bool // of a Failure: the kernel's own search for a port said so
}

// NoSearch is Hold.Search where the search was not measured.
const NoSearch = ^uint64(0)

// Event is one fact.
type Event struct {
	Time             ktime.Time
	Kind             Kind
	Reason           Reason // of a Release or Expire
	Errno            uint16 // of a Failure
	RangeLo, RangeHi uint16 // of a Failure: the socket's IP_LOCAL_PORT_RANGE, 0 if none
	Hold             Hold
}
