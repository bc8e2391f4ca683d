// Package lifetime turns events into lifetimes: who held which port, from when to
// when, through which states, and why it ended.
package lifetime

import (
	"net/netip"
	"time"

	"porttrace/internal/event"
	"porttrace/internal/ktime"
)

// Hold is one socket's ownership of one local port as it stands at a record's time.
type Hold struct {
	ID        uint64 // unique in a recording, from 1
	NetNS     uint32 // inode
	Proto     event.Proto
	Path      event.Path // zero: unknown
	State     event.State
	Port      uint16
	NetNSName Interned[string] // "" none or unknown
	Src       netip.Addr
	Dst       netip.AddrPort // zero: unknown
	Assigned  ktime.Wall     // zero: unknown, before the trace began
	Search    time.Duration  // how long the kernel searched for a port; negative: unknown
	Owner     Owner
	// States is the time spent in each state up to the record's time. It adds up to
	// the record's HeldFor. For a hold of unknown beginning it counts from when the
	// hold was first seen.
	States [event.States]time.Duration
}

// HeldFor is the sum of the states: the length of the hold so far, or, where the
// beginning is unknown, the part of it that was seen.
func (h *Hold) HeldFor() time.Duration {
	var sum time.Duration
	for _, d := range h.States {
		sum += d
	}
	return sum
}

// Type says what a record tells.
type Type uint8

// The types of records, in the order a recording first meets them; Clock and Shed are rare.
const (
	Start Type = iota + 1
	HeldAtStart
	Assign
	State
	Release
	Failure
	Pool
	Lost
	HeldAtEnd
	End
	Clock
	Shed
)

// Record is one step of the story, the unit that sinks receive and recordings keep.
// Which fields are set depends on Type. All its times are by one wall clock, that of its
// own Time: after the clock was set, a hold was assigned at another time than its assign
// record said, and its length is what it was.
type Record struct {
	Type Type
	Time ktime.Wall

	// Hold is set for HeldAtStart, Assign, State, Release and HeldAtEnd. The tracker
	// owns it and reuses it: a sink that keeps it copies it.
	Hold   *Hold
	Reason event.Reason // of a Release

	Start   *StartInfo
	Failure *FailureInfo
	Pool    *PoolInfo
	Lost    *LostInfo
	End     *EndInfo
	Clock   *ClockInfo
	Shed    *ShedInfo
}

// StartInfo is the first record.
type StartInfo struct {
	Schema  int
	Uptime  ktime.Time // at the record's time; zero: unknown
	Part    int        // of a rotated recording, from 1; 0: the only one
	Version string
	Host    string
	BootID  string
	Kernel  string
	Hooks   string // "stable" or "fentry"
	Filter  string // the flags as given, "" for none
	Pools   []Range
}

// Range is what a network namespace offers for ephemeral ports.
type Range struct {
	NetNS    uint32
	Lo, Hi   uint16
	Reserved string // as the kernel writes ip_local_reserved_ports
	Usable   int    // ports in Lo..Hi that are not reserved
}

// Cause says why a port could not be had.
type Cause string

// The causes of failures.
const (
	RangeExhausted  Cause = "range_exhausted"
	TupleInUse      Cause = "tuple_in_use"
	AddressNotLocal Cause = "address_not_local"
	RangeReserved   Cause = "range_reserved"
	SocketRange     Cause = "socket_range"
	CauseUnknown    Cause = "unknown"
)

// FailureInfo is a port that could not be had.
type FailureInfo struct {
	NetNS     uint32
	NetNSName Interned[string] // "" none or unknown
	Proto     event.Proto
	Path      event.Path
	Src       netip.Addr
	Dst       netip.AddrPort // zero: unknown
	Owner     Owner
	Errno     string // "EADDRNOTAVAIL", "EADDRINUSE" or "EAGAIN"
	Cause     Cause
	Port      uint16 // the port of a refused tuple, 0 where the kernel found none
	RangeLo   uint16 // IP_LOCAL_PORT_RANGE of the socket, 0 if none
	RangeHi   uint16
	InUse     int // negative: unknown
	Usable    int // negative: unknown
	// Searched: the kernel's own search for a port said so. Else it is only known that a
	// socket which asked for a port has none. Not recorded.
	Searched bool
}

// PoolInfo is how full a pool is.
type PoolInfo struct {
	NetNS      uint32
	Proto      event.Proto
	Src        netip.Addr
	Dst        netip.AddrPort // zero: a pool of bind, listen or UDP
	InUse      int
	Usable     int
	TimeWait   int
	AssignRate float64       // per second
	MeanHeld   time.Duration // negative: unknown
	Exhausts   time.Duration // negative: not on this trend
}

// LostInfo is what could not be recorded since the last such record, or, with no
// events, what was put right after it.
type LostInfo struct {
	Events     uint64
	Where      string // "ring", "cpu", "map", "recursion", "hidden", "recording"; "" unknown
	Reconciled int64  // holds put right; negative: not known yet
}

// ClockInfo is a wall clock that was set: Time is by the new one, and so are the records
// that follow.
type ClockInfo struct {
	From ktime.Wall // the same moment by the one before
}

// ShedInfo is what the tracer leaves out from now on, to stay within its share of the CPU.
type ShedInfo struct {
	What  []string      // "latency", "detail", "owners", "events"; none: nothing any more
	Limit int           // percent of one CPU
	Used  float64       // the same, of the second before
	For   time.Duration // since it began to leave anything out
}

// EndInfo is the last record: the totals.
type EndInfo struct {
	BeforeStart uint64
	Assigned    uint64
	Released    uint64
	Held        uint64
	Failures    uint64
	Lost        uint64
	Reconciled  uint64 // holds found gone, or found held, that no event told
	// Discrepancies are those of Reconciled that no loss explains: a hook missed them.
	Discrepancies uint64
	Complete      bool // nothing was lost or missed
}
