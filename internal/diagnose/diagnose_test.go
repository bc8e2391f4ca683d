package diagnose

import (
	"strings"
	"testing"
	"time"

	"porttrace/internal/event"
	"porttrace/internal/lifetime"
)

func TestTimeWaitChurn(t *testing.T) {
	s := tell(t)
	for range 31 {
		s.enter(event.TimeWait, s.take(31, connectTo(server, "curl"))...)
		s.wait(time.Second)
	}
	s.want(Exhausting, TimeWaitChurn, "curl")
	s.enter(event.TimeWait, s.take(1000-31*31, connectTo(server, "curl"))...)
	s.fail(7, connectTo(server, "worker"), lifetime.RangeExhausted)
	s.wait(11 * time.Second)
	s.want(Exhausted, TimeWaitChurn, "curl")
}

func TestLeakOfConnections(t *testing.T) {
	s := tell(t)
	for range 32 {
		s.take(20, connectTo(server, "leaky"))
		s.release(event.Closed, s.take(3, connectTo(server, "healthy"))...)
		s.wait(time.Second)
	}
	s.want(Exhausting, LeakEstablished, "leaky")
	for range 18 {
		s.take(20, connectTo(server, "leaky"))
		s.wait(time.Second)
	}
	s.fail(1, connectTo(server, "healthy"), lifetime.RangeExhausted)
	s.wait(6 * time.Second)
	s.want(Exhausted, LeakEstablished, "leaky")
}

func TestLeakInCloseWait(t *testing.T) {
	s := tell(t)
	for range 32 {
		s.enter(event.CloseWait, s.take(20, connectTo(server, "deaf"))...)
		s.wait(time.Second)
	}
	s.want(Exhausting, LeakCloseWait, "deaf")
}

func TestSynSentPileup(t *testing.T) {
	s := tell(t)
	for range 12 {
		s.enter(event.SynSent, s.take(50, connectTo(server, "probe"))...)
		s.wait(time.Second)
	}
	s.want("", SynSentPileup, "probe")
	s.enter(event.SynSent, s.take(400, connectTo(server, "probe"))...)
	s.fail(1, connectTo(server, "probe"), lifetime.RangeExhausted)
	s.wait(6 * time.Second)
	s.want(Exhausted, SynSentPileup, "probe")
}

func TestFinWait2Orphans(t *testing.T) {
	s := tell(t)
	for range 22 {
		s.enter(event.FinWait2, s.take(20, connectTo(server, "quick"))...)
		s.wait(time.Second)
	}
	s.want("", FinWait2Orphans, "quick")
}

func TestPoisoned(t *testing.T) {
	s := tell(t)
	bound := connectTo(other, "binder")
	bound.Path = event.Bind
	s.take(900, bound)
	s.take(100, connectTo(server, "app"))
	s.fail(3, connectTo(server, "app"), lifetime.RangeExhausted)
	s.wait(20 * time.Second)
	s.want(Exhausted, Poisoned, "binder")
}

func TestUDPExhausted(t *testing.T) {
	s := tell(t)
	udp := connectTo(server, "resolver")
	udp.Proto, udp.Path = event.UDP, event.UDPConnect
	s.take(1000, udp)
	s.fail(2, udp, lifetime.RangeExhausted, func(f *lifetime.FailureInfo) { f.Errno = "EAGAIN" })
	s.wait(6 * time.Second)
	s.want(UDPExhausted, RangeCut, "")
}

func TestRangeCut(t *testing.T) {
	s := tell(t)
	s.take(1000, connectTo(server, "app"))
	s.fail(1, connectTo(server, "app"), lifetime.RangeExhausted)
	s.wait(6 * time.Second)
	s.want(Exhausted, RangeCut, "")
}

func TestAllReserved(t *testing.T) {
	s := tell(t)
	s.rangeOf(lo, lo+size-1, 0)
	s.fail(1, connectTo(server, "app"), lifetime.RangeReserved, func(f *lifetime.FailureInfo) { f.InUse, f.Usable = 0, 0 })
	s.wait(6 * time.Second)
	s.want(Exhausted, RangeCut, "")
	if remedy := s.e.Findings()[0].Remedy; strings.Contains(remedy, "TIME_WAIT") {
		t.Errorf("nothing is in TIME_WAIT, and the remedy is %q", remedy)
	}
}

func TestSearchCliff(t *testing.T) {
	s := tell(t)
	kind := connectTo(server, "app")
	s.take(500, kind)
	kind.Search = time.Millisecond
	s.take(100, kind)
	s.wait(6 * time.Second)
	s.want("", SearchCliff, "app")
}

func TestRefusals(t *testing.T) {
	for id, cause := range map[ID]lifetime.Cause{
		SocketRange: lifetime.SocketRange, TupleClash: lifetime.TupleInUse, AddressNotLocal: lifetime.AddressNotLocal,
	} {
		t.Run(string(id), func(t *testing.T) {
			s := tell(t)
			s.take(3, connectTo(server, "app"))
			s.fail(5, connectTo(server, "app"), cause, func(f *lifetime.FailureInfo) {
				f.RangeLo, f.RangeHi, f.Port = 40100, 40199, 40100
			})
			s.wait(2 * time.Second)
			s.want("", id, "app")
			if f := s.e.Findings(); len(f) != 1 || f[0].Severity != Warning {
				t.Errorf("%+v", f)
			}
		})
	}
}

func TestFixedPortLost(t *testing.T) {
	s := tell(t)
	fixed := lifetime.Hold{
		NetNS: home, Proto: event.TCP, Src: here, Path: event.Explicit, Port: 40011, State: event.Listening,
		Search: -1, Owner: lifetime.Owner{PID: 7, Comm: "service"},
	}
	ids := s.take(1, fixed)
	s.wait(time.Second)
	s.release(event.Closed, ids...)
	taker := connectTo(server, "curl")
	taker.Port = 40011
	s.take(1, taker)
	s.wait(6 * time.Second)
	s.want("", FixedPortLost, "curl")
}

// A service that starts, or works, is no finding.
func TestHealthy(t *testing.T) {
	for name, work := range map[string]func(*story){
		"a pool of connections that stays": func(s *story) {
			s.take(450, connectTo(server, "wrk"))
			s.wait(2 * time.Minute)
		},
		"short connections at a bearable rate": func(s *story) {
			var waiting [][]uint64
			for i := range 180 {
				ids := s.take(7, connectTo(server, "app"))
				s.enter(event.TimeWait, ids...)
				waiting = append(waiting, ids)
				if i >= 60 {
					s.release(event.TimeWaitExpired, waiting[i-60]...)
				}
				s.wait(time.Second)
			}
		},
		"DNS": func(s *story) {
			udp := connectTo(server, "dig")
			udp.Proto, udp.Path = event.UDP, event.UDPConnect
			for range 60 {
				s.release(event.Closed, s.take(97, udp)...)
				s.wait(time.Second)
			}
		},
		"a service with a fixed port": func(s *story) {
			fixed := lifetime.Hold{NetNS: home, Proto: event.TCP, Src: here, Path: event.Explicit, Port: 40011, State: event.Listening, Owner: lifetime.Owner{PID: 7, Comm: "service"}}
			s.release(event.Closed, s.take(1, fixed)...)
			s.take(1, fixed)
			s.wait(time.Minute)
		},
		"nothing": func(s *story) { s.wait(time.Minute) },
	} {
		t.Run(name, func(t *testing.T) {
			s := tell(t)
			work(s)
			s.wantNothing()
		})
	}
}
