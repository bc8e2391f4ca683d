package terminal

import (
	"math/rand/v2"
	"net/netip"
	"testing"
	"time"

	"porttrace/internal/event"
)

// netipWithZone is an address that carries text of its own.
func netipWithZone(zone string) netip.AddrPort {
	return netip.AddrPortFrom(netip.MustParseAddr("fe80::1").WithZone(zone), 443)
}

// TestStoryAddsUp: phases are never made up and never lost.
func TestStoryAddsUp(t *testing.T) {
	rng := rand.New(rand.NewPCG(1, 2))
	for range 2000 {
		h := hold(nil)
		for s := range h.States {
			if rng.IntN(2) == 0 {
				h.States[s] = time.Duration(rng.ExpFloat64() * float64(time.Second))
			}
		}
		if rng.IntN(4) == 0 {
			h.Proto = event.UDP
		}
		s := storyOf(h)
		sum := s.used
		for _, d := range s.before {
			sum += d
		}
		for _, d := range s.after {
			sum += d
		}
		if sum != h.HeldFor() || s.used < 0 {
			t.Fatalf("%v tells %v (%v used) of %v", h.States, sum, s.used, h.HeldFor())
		}
	}
}

func TestStory(t *testing.T) {
	for _, tt := range []struct {
		name  string
		in    states
		proto event.Proto
		want  string
	}{
		{"nothing", nil, event.TCP, "0ns used"},
		{"use", states{event.SynSent: 50 * ms, event.Established: sec, event.FinWait2: 90 * ms}, event.TCP, "1.1s used"},
		{"udp", states{event.Bound: sec, event.Established: sec}, event.UDP, "2.0s used"},
		{"udp bound", states{event.Bound: sec}, event.UDP, "1.0s used"},
		{"time wait", states{event.Established: sec, event.TimeWait: 61 * sec}, event.TCP, "1.0s used + 61.0s TIME_WAIT"},
		{"orphan", states{event.Established: 90 * sec, event.FinWait2: 60 * sec}, event.TCP, "90.0s used + 60.0s FIN_WAIT2"},
		{"orphan, then time wait", states{event.Established: sec, event.FinWait2: 2 * sec, event.TimeWait: 60 * sec}, event.TCP, "1.0s used + 2.0s FIN_WAIT2 + 60.0s TIME_WAIT"},
		{"dead host", states{event.SynSent: 131 * sec}, event.TCP, "131.0s SYN_SENT"},
		{"slow start", states{event.SynSent: 3 * sec, event.Established: sec}, event.TCP, "3.0s SYN_SENT + 1.0s used"},
		{"quick SYN", states{event.SynSent: 9 * ms, event.Established: 2 * ms}, event.TCP, "11ms used"},
		{"close wait", states{event.Established: sec, event.CloseWait: time.Hour}, event.TCP, "1.0s used + 1h00m CLOSE_WAIT"},
		{"last ack", states{event.Established: sec, event.LastAck: 9 * sec}, event.TCP, "1.0s used + 9.0s LAST_ACK"},
		{"bound", states{event.Bound: 9 * sec, event.Established: sec}, event.TCP, "9.0s BOUND + 1.0s used"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			h := hold(tt.in)
			h.Proto = tt.proto
			if got := string(appendStory(nil, h, full)); got != tt.want {
				t.Errorf("got %q, want %q", got, tt.want)
			}
			h.Assigned = 0
			if got := string(appendStory(nil, h, full)); got != ">"+tt.want {
				t.Errorf("of unknown beginning: got %q, want %q", got, ">"+tt.want)
			}
		})
	}
}
