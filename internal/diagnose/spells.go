package diagnose

import (
	"time"

	"porttrace/internal/event"
	"porttrace/internal/lifetime"
)

// A recording without --states tells how long a port was in each state when it comes
// back, or at the end. A spell counts, from that, how many were held up at a time in
// the past. What was held up for less than the time between two samples may be missed:
// 5 s in a recording of 40 minutes, and 5 minutes in one of two days.
const samples = 512

// spell is how many ports were held in one way at the instants began + i*width.
type spell struct {
	width   time.Duration
	changes [samples]int32 // from one instant to the next
	lengths durations
}

// add counts a port held from, and not at, to; both since the first record.
func (s *spell) add(from, to time.Duration) {
	for to/s.width+1 >= samples {
		s.widen()
	}
	first, after := (max(from, 0)+s.width-1)/s.width, (to+s.width-1)/s.width
	s.lengths.add(to - from)
	if first < after {
		s.changes[first]++
		s.changes[after]--
	}
}

// widen keeps every other instant.
func (s *spell) widen() {
	s.width *= 2
	for i := 1; i < samples/2; i++ {
		s.changes[i] = s.changes[2*i-1] + s.changes[2*i]
	}
	s.changes[samples/2] = s.changes[samples-1]
	clear(s.changes[samples/2+1:])
}

// peak is the most at a time.
func (s *spell) peak() int {
	if s == nil {
		return 0
	}
	var n, most int32
	for _, d := range s.changes {
		n += d
		most = max(most, n)
	}
	return int(most)
}

// held are the ways to hold a port up, and for how long one is before it counts.
var held = []struct {
	id    ID
	long  time.Duration
	state event.State
	then  []event.State // what may come after it
}{
	{SynSentPileup, synSentLong, event.SynSent, []event.State{event.Established, event.CloseWait, event.LastAck, event.FinWait1, event.FinWait2, event.Closing, event.TimeWait}},
	{LeakEstablished, leakTime, event.Established, []event.State{event.CloseWait, event.LastAck, event.FinWait1, event.FinWait2, event.Closing, event.TimeWait}},
	{LeakCloseWait, closeWaitLong, event.CloseWait, []event.State{event.LastAck}},
	{FinWait2Orphans, finWait2Long, event.FinWait2, []event.State{event.TimeWait}},
}

// look takes in what a hold of a recording tells of its past, now that it is over or the
// recording is.
func (e *Engine) look(s *stake, h *lifetime.Hold) {
	if e.live || s.place.key.Proto != event.TCP || s.place.worst.Usable == 0 && len(s.place.failures) == 0 && h.Path != event.Bind {
		return
	}
	end := e.now.Sub(e.began)
	for i := range held {
		way := &held[i]
		if h.States[way.state] < way.long {
			continue
		}
		to := end
		for _, after := range way.then {
			to -= h.States[after]
		}
		s.spell(way.id).add(to-h.States[way.state]+way.long, to)
	}
	if h.Path == event.Bind && h.Dst.IsValid() {
		s.spell(Poisoned).add(end-h.HeldFor(), end)
	}
}

func (s *stake) spell(id ID) *spell {
	if s.spells == nil {
		s.spells = map[ID]*spell{}
	}
	if s.spells[id] == nil {
		s.spells[id] = &spell{width: interval}
	}
	return s.spells[id]
}
