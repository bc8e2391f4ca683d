package live

import (
	"time"

	"porttrace/internal/ktime"
)

const (
	// auditInterval is how often the held set is compared with the kernel anyway;
	// earlyAudit is how soon after a round that had to correct something.
	auditInterval = 30 * time.Second
	earlyAudit    = 4 * time.Second
	// confirmAfter is when a difference is looked at again. By then whatever was on its
	// way to the ring has been read.
	confirmAfter = 500 * time.Millisecond
	// auditShare bounds what audits cost while losses go on: a part of the time.
	auditShare = 10
)

// auditor compares the held set with the kernel, in rounds of one audit, or of two where
// the first has found a difference.
type auditor struct {
	next          ktime.Time
	ended         ktime.Time // the last one
	took          time.Duration
	interval      time.Duration
	share         int    // see auditShare
	corrected     uint64 // in all, when the round began
	confirming    bool
	unsettled     bool // something was lost since the round began
	refused       bool // there was no room for all that the last audit found
	discrepancies uint64
}

// roundOver schedules the next round: soon where there was something to correct, for
// there may be more of it, then ever later.
func (a *auditor) roundOver(corrected uint64) {
	if corrected != a.corrected {
		a.interval = earlyAudit / 2
	}
	a.corrected = corrected
	a.interval = min(2*max(a.interval, earlyAudit/2), auditInterval)
	a.next = a.ended.Add(a.interval)
}

// hurry has an audit made soon: something was lost.
func (a *auditor) hurry(now ktime.Time) {
	a.unsettled = true
	if a.confirming {
		return
	}
	earliest := a.ended.Add(max(lossInterval, time.Duration(a.share)*a.took))
	a.next = min(a.next, max(now, earliest))
}

func (s *Source) auditIfDue(now ktime.Time) error {
	if now < s.audits.next {
		return nil
	}
	a := &s.audits
	if !a.confirming {
		a.unsettled = false
	}
	suspects, err := s.audit()
	if err != nil {
		return err
	}
	if suspects && !a.confirming {
		a.confirming = true
		a.next = a.ended.Add(confirmAfter)
		return nil
	}
	a.confirming = false
	a.roundOver(s.tracker.Totals().Corrected)
	if err := s.readLosses(); err != nil { // what was lost meanwhile hurries the next round
		return err
	}
	s.settleRound()
	return nil
}

// audit compares once, and reports whether something is left to confirm.
func (s *Source) audit() (suspects bool, err error) {
	all, err := s.namespaces()
	if err != nil {
		return false, err
	}
	if err := s.readOn(); err != nil {
		return false, err
	}
	began := ktime.Now()
	s.tracker.BeginAudit(began)
	found, err := s.probe.Audit(all, s.tracker.Handle, s.readOn)
	ours := s.tracker.EndAudit()
	s.audits.ended = ktime.Now()
	s.audits.took = s.audits.ended.Sub(began)
	s.audits.refused = found.Refused > 0
	return found.Suspects > 0 || ours > 0, err
}

// lastAudit makes the held set true for the end, as long as nothing more is lost.
func (s *Source) lastAudit() error {
	for range 5 {
		s.audits.unsettled = false
		suspects, err := s.audit()
		if err != nil {
			return err
		}
		if suspects {
			if err := s.readFor(confirmAfter / 2); err != nil {
				return err
			}
			if suspects, err = s.audit(); err != nil {
				return err
			}
		}
		if err := s.readLosses(); err != nil {
			return err
		}
		s.settleRound()
		if !suspects && !s.audits.unsettled {
			return nil
		}
	}
	return nil
}

// readFor reads the ring for a while.
func (s *Source) readFor(d time.Duration) error {
	for until := time.Now().Add(d); ; {
		left := time.Until(until)
		if left <= 0 {
			return nil
		}
		if err := s.probe.Poll(left, s.handle); err != nil {
			return err
		}
	}
}
