package live

import (
	"errors"
	"time"

	"porttrace/internal/budget"
)

// sparingPoll is pollInterval where the CPU is to be spared. The hooks wake the reader when
// the ring fills up, whatever it is.
const sparingPoll = 200 * time.Millisecond

// auditPart bounds what audits cost under a limit of the CPU: a part of it.
const auditPart = 4

// Shed leaves out what a level says, from now on. limit is the share of a CPU that it is
// to help keep.
func (s *Source) Shed(level budget.Level, limit float64) error {
	// What was lost until now was lost at the level before.
	err := errors.Join(s.readOn(), s.readLosses())
	s.poll = pollInterval
	if level >= budget.Latency {
		s.poll = sparingPoll
	}
	s.audits.share = auditShare
	if level > budget.Full {
		s.audits.share = max(auditShare, int(auditPart/limit))
	}
	s.tracker.TellStates(s.options.States && level < budget.Detail)
	s.starved = level >= budget.Events
	return err
}
