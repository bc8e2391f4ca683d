package terminal

import (
	"time"

	"porttrace/internal/event"
	"porttrace/internal/lifetime"
)

// story splits a hold's time into what was use and what was not: the states in which a
// port is held for nothing, in the order they come. They add up to HeldFor.
type story struct {
	before [event.SynSent + 1]time.Duration // BOUND, LISTEN, SYN_SENT, if they matter
	used   time.Duration
	after  [event.States]time.Duration // CLOSE_WAIT and on, if they matter
}

// worthNaming is the least that a state other than TIME_WAIT must last to be told apart
// from use: in an ordinary close the FIN states take round trips.
const worthNaming = 100 * time.Millisecond

func storyOf(h *lifetime.Hold) story {
	var s story
	s.used = h.HeldFor()
	if h.Proto != event.TCP {
		return s
	}
	s.after[event.TimeWait] = h.States[event.TimeWait]
	s.used -= h.States[event.TimeWait]
	if d := h.States[event.FinWait2]; d >= worthNaming {
		s.after[event.FinWait2] = d
		s.used -= d
	}
	// Of the rest, one state at most has more than half; ESTABLISHED is use itself.
	rest := s.used
	for st, d := range h.States {
		if 2*d <= rest || d < worthNaming && d < rest || s.after[st] > 0 {
			continue
		}
		switch state := event.State(st); {
		case state == event.Established, state == event.TimeWait:
		case state <= event.SynSent:
			s.before[st] = d
			s.used -= d
		default:
			s.after[st] = d
			s.used -= d
		}
	}
	return s
}

// appendStory writes a hold's phases, the first with ">" where its beginning is not known.
func appendStory(b []byte, h *lifetime.Hold, f form) []byte {
	s := storyOf(h)
	if h.Assigned == 0 {
		b = append(b, '>')
	}
	first := true
	add := func(d time.Duration, name string) {
		switch {
		case first:
			first = false
		case f < tight:
			b = append(b, " + "...)
		default:
			b = append(b, '+')
		}
		b = appendDuration(b, d)
		if name != "" {
			b = append(append(b, ' '), name...)
		}
	}
	for st, d := range s.before {
		if d > 0 {
			add(d, stateName(event.State(st), f))
		}
	}
	if s.used > 0 || s == (story{}) {
		if f == full {
			add(s.used, "used")
		} else {
			add(s.used, "")
		}
	}
	for st, d := range s.after {
		if d > 0 {
			add(d, stateName(event.State(st), f))
		}
	}
	return b
}

// stateName shortens the long names where room is short.
func stateName(s event.State, f form) string {
	if f >= terse {
		switch s {
		case event.SynSent:
			return "SYN"
		case event.CloseWait:
			return "CW"
		case event.FinWait1:
			return "FW1"
		case event.FinWait2:
			return "FW2"
		case event.TimeWait:
			return "TW"
		}
	}
	return s.String()
}
