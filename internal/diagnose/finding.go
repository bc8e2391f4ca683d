// Package diagnose says why ports run out, or are about to: findings from lifetimes, pools
// and failures, each with its numbers, its culprit and what to change.
package diagnose

import (
	"porttrace/internal/lifetime"
	"porttrace/internal/pool"
)

// Severity ranks findings.
type Severity uint8

// The severities: ports cannot be had; they will be, or a service is hurt; worth knowing.
const (
	Info Severity = iota
	Warning
	Critical
)

// String returns the severity's name in reports.
func (s Severity) String() string {
	return [...]string{"info", "warning", "critical"}[min(s, Critical)]
}

// ID names a kind of finding. The names are those of reports (DESIGN.md, 3).
type ID string

// The kinds of findings. Exhausted, Exhausting and UDPExhausted are symptoms, which the
// others may explain.
const (
	Exhausted       ID = "exhausted"
	Exhausting      ID = "exhausting"
	TimeWaitChurn   ID = "time_wait_churn"
	LeakEstablished ID = "leak_established"
	LeakCloseWait   ID = "leak_close_wait"
	SynSentPileup   ID = "syn_sent_pileup"
	FinWait2Orphans ID = "fin_wait2_orphans"
	Poisoned        ID = "poisoned"
	UDPExhausted    ID = "udp_exhausted"
	RangeCut        ID = "range_cut"
	SearchCliff     ID = "search_cliff"
	SocketRange     ID = "socket_range"
	TupleClash      ID = "tuple_clash"
	AddressNotLocal ID = "address_not_local"
	FixedPortLost   ID = "fixed_port_lost"
)

// Number is one of the numbers that prove a finding. A name that ends in _ns is of a
// duration in nanoseconds, one that ends in _percent is of a share of a hundred.
type Number struct {
	Name  string
	Value float64
}

// Finding is one answer to why ports run out.
type Finding struct {
	ID       ID
	Severity Severity
	Title    string          // one line, without a full stop
	Because  []ID            // the findings that explain it, the best first
	Culprit  *lifetime.Owner // who has most to do with it; nil: unknown, or nobody in particular
	Pool     *pool.Key       // where; nil: in no one pool
	Evidence []Number
	Remedy   string // what to change, by its exact name, and what that has for side effects
}
