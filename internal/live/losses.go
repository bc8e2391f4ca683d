package live

import (
	"time"

	"porttrace/internal/ktime"
	"porttrace/internal/lifetime"
	"porttrace/internal/probe"
)

// lossInterval is how often losses are read.
const lossInterval = time.Second

// account is what was lost.
type account struct {
	next  ktime.Time // when to read it again
	total uint64
	// where most was lost since an audit last found everything right; "": nothing
	where string
	most  uint64
}

func (s *Source) checkLosses(now ktime.Time) error {
	if now < s.losses.next {
		return nil
	}
	s.losses.next = now.Add(lossInterval)
	if err := s.readLosses(); err != nil {
		return err
	}
	s.settle()
	return nil
}

// readLosses tells at once what was lost since the last time, and has it put right.
func (s *Source) readLosses() error {
	lost, err := s.probe.NewLosses()
	if err != nil || lost.Total() == 0 {
		return err
	}
	if s.starved { // it had room, if it were read
		lost.CPU, lost.Ring = lost.Ring, 0
	}
	s.losses.total += lost.Total()
	if s.options.Losses != nil {
		s.options.Losses(lost)
	}
	now := ktime.Now()
	for _, l := range places(lost) {
		if l.Events == 0 {
			continue
		}
		if l.Events > s.losses.most {
			s.losses.most, s.losses.where = l.Events, l.Where
		}
		s.emit(&lifetime.Record{Type: lifetime.Lost, Time: s.options.Clock.Wall(now), Lost: &l})
	}
	s.audits.hurry(now)
	return nil
}

func places(lost probe.Losses) []lifetime.LostInfo {
	return []lifetime.LostInfo{
		{Events: lost.Ring, Where: "ring", Reconciled: -1},
		{Events: lost.CPU, Where: "cpu", Reconciled: -1},
		{Events: lost.Map, Where: "map", Reconciled: -1},
		{Events: lost.Recursion, Where: "recursion", Reconciled: -1},
	}
}
