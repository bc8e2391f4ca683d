package live

import "porttrace/internal/lifetime"

// followClock tells of a wall clock that was set since the last look at the ring, and has
// all times told by the new one from then on. What was read meanwhile, a poll
// at the most, has been told by the old one.
func (s *Source) followClock() {
	step, moved := s.options.Clock.Follow()
	if !moved {
		return
	}
	s.tracker.Reclock()
	if s.options.Stepped != nil {
		s.options.Stepped(step)
	}
	s.emit(&lifetime.Record{Type: lifetime.Clock, Time: step.To, Clock: &lifetime.ClockInfo{From: step.From}})
}
