package page

import (
	"porttrace/internal/event"
	"porttrace/internal/ktime"
	"porttrace/internal/lifetime"
)

// unknown is the state of a hold whose end was not seen: only its end tells its states.
const unknown = event.States

// span is a stretch of a hold in one state.
type span struct {
	state    event.State
	from, to ktime.Wall
}

// appendSpans appends what a hold went through, the latest first. How long it was in each
// state is told, not when: it is taken to be in TCP's order. A hold of no length is in the
// state it had.
func appendSpans(out []span, from, to ktime.Wall, h *lifetime.Hold) []span {
	before := len(out)
	at := to
	for s := len(h.States) - 1; s >= 0 && at >= from; s-- {
		if h.States[s] <= 0 {
			continue
		}
		begin := max(at-ktime.Wall(h.States[s]), from)
		out = append(out, span{event.State(s), begin, at})
		at = begin
	}
	if len(out) == before {
		out = append(out, span{h.State, from, to})
	}
	return out
}
