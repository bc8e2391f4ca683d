package diagnose

import (
	"math/rand/v2"
	"testing"
	"time"

	"porttrace/internal/event"
	"porttrace/internal/lifetime"
)

// What was wrong and is over is found in a recording that tells states only when ports
// come back.
func TestWhatIsOverIsFoundInARecording(t *testing.T) {
	bound := connectTo(other, "app")
	bound.Path = event.Bind
	for name, tc := range map[string]struct {
		symptom, cause ID
		work           func(*story)
	}{
		"CLOSE_WAIT": {"", LeakCloseWait, func(s *story) {
			ids := s.take(300, connectTo(server, "app"))
			s.wait(2 * time.Second)
			s.enter(event.CloseWait, ids...)
			s.wait(time.Minute)
			s.release(event.Closed, ids...)
		}},
		"SYN_SENT": {"", SynSentPileup, func(s *story) {
			kind := connectTo(server, "app")
			kind.State = event.SynSent
			ids := s.take(300, kind)
			s.wait(131 * time.Second)
			s.release(event.TimedOut, ids...)
		}},
		"FIN_WAIT2": {"", FinWait2Orphans, func(s *story) {
			ids := s.take(300, connectTo(server, "app"))
			s.wait(2 * time.Second)
			s.enter(event.FinWait2, ids...)
			s.wait(time.Minute)
			s.release(event.TimedOut, ids...)
		}},
		"a leak, and a restart": {Exhausted, LeakEstablished, func(s *story) {
			var ids []uint64
			for range 50 {
				ids = append(ids, s.take(20, connectTo(server, "app"))...)
				s.wait(time.Second)
			}
			s.fail(3, connectTo(server, "app"), lifetime.RangeExhausted)
			s.wait(7 * time.Second)
			s.release(event.Closed, ids...)
		}},
		"a leak in CLOSE_WAIT": {Exhausted, LeakCloseWait, func(s *story) {
			var ids []uint64
			for range 50 {
				ids = append(ids, s.take(20, connectTo(server, "app"))...)
				s.enter(event.CloseWait, ids...)
				s.wait(time.Second)
			}
			s.fail(3, connectTo(server, "app"), lifetime.RangeExhausted)
			s.wait(7 * time.Second)
			s.release(event.Closed, ids...)
		}},
		"poisoned": {Exhausted, Poisoned, func(s *story) {
			ids := s.take(900, bound)
			s.fail(3, connectTo(server, "victim"), lifetime.RangeExhausted)
			s.wait(30 * time.Second)
			s.release(event.Closed, ids...)
		}},
	} {
		t.Run(name, func(t *testing.T) {
			s := recorded(t)
			tc.work(s)
			s.wait(20 * time.Second)
			s.end()
			s.want(tc.symptom, tc.cause, "app")
			for _, f := range s.e.Findings() {
				if f.ID == LeakEstablished && tc.cause != LeakEstablished {
					t.Errorf("%s is called a leak of connections", name)
				}
			}
		})
	}
}

// A spell has the most at a time, of what is held at any of its instants.
func TestSpellCountsWhatIsHeldAtATime(t *testing.T) {
	random := rand.New(rand.NewPCG(1, 2))
	for range 20 {
		s := &spell{width: time.Second}
		type span struct{ from, to time.Duration }
		var spans []span
		for range 200 {
			from := time.Duration(random.Int64N(int64(2 * samples * time.Second)))
			spans = append(spans, span{from, from + time.Duration(random.Int64N(int64(100*time.Second)))})
			s.add(spans[len(spans)-1].from, spans[len(spans)-1].to)
		}
		most := 0
		for at := time.Duration(0); at < 3*samples*time.Second; at += s.width {
			n := 0
			for _, sp := range spans {
				if sp.from <= at && at < sp.to {
					n++
				}
			}
			most = max(most, n)
		}
		if s.peak() != most || s.width != 4*time.Second {
			t.Errorf("%d at a time every %v, want %d every 4s", s.peak(), s.width, most)
		}
	}
}
