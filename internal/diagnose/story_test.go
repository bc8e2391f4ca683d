package diagnose

import (
	"net/netip"
	"testing"
	"time"

	"porttrace/internal/event"
	"porttrace/internal/ktime"
	"porttrace/internal/lifetime"
	"porttrace/internal/pool"
)

const (
	home  = 4026531840
	begin = ktime.Wall(1_700_000_000_000_000_000)
	lo    = 40000
	size  = 1000
)

var (
	here   = netip.MustParseAddr("10.0.0.1")
	server = netip.MustParseAddrPort("10.0.0.5:5432")
	other  = netip.MustParseAddrPort("10.0.0.6:443")
)

// story tells an engine what happens on a host with size ephemeral ports.
type story struct {
	t     *testing.T
	e     *Engine
	now   ktime.Wall
	id    uint64
	port  uint16
	holds map[uint64]*lifetime.Hold
	since map[uint64]ktime.Wall // of the state
	ahead time.Duration         // of the clock that begin is by
}

// setClock does so, and tells all times by the new one.
func (s *story) setClock(by time.Duration) {
	from := s.now
	s.now += ktime.Wall(by)
	s.ahead += by
	for id, h := range s.holds {
		h.Assigned += ktime.Wall(by)
		s.since[id] += ktime.Wall(by)
	}
	s.e.Write(&lifetime.Record{Type: lifetime.Clock, Time: s.now, Clock: &lifetime.ClockInfo{From: from}})
}

func tell(t *testing.T) *story {
	return begins(t, NewLive())
}

// recorded tells it to an engine that has a recording only, without --states.
func recorded(t *testing.T) *story { return begins(t, New()) }

func begins(t *testing.T, e *Engine) *story {
	s := &story{t: t, e: e, now: begin, holds: map[uint64]*lifetime.Hold{}, since: map[uint64]ktime.Wall{}}
	s.rangeOf(lo, lo+size-1, size)
	return s
}

func (s *story) rangeOf(first, last, usable int) {
	s.e.Write(&lifetime.Record{Type: lifetime.Start, Time: s.now, Start: &lifetime.StartInfo{Pools: []lifetime.Range{{
		NetNS: home, Lo: uint16(first), Hi: uint16(last), Usable: usable,
	}}}})
}

// a hold of this kind; take fills in the rest.
func connectTo(dst netip.AddrPort, comm string) lifetime.Hold {
	return lifetime.Hold{
		NetNS: home, Proto: event.TCP, Src: here, Dst: dst, Path: event.Connect, State: event.Established,
		Search: 10 * time.Microsecond, Owner: lifetime.Owner{PID: 100, UID: 1000, Comm: comm},
	}
}

func (s *story) take(n int, kind lifetime.Hold) (ids []uint64) {
	for range n {
		h := kind
		s.id++
		h.ID, h.Assigned = s.id, s.now
		if h.Port == 0 {
			h.Port = lo + s.port%size
			s.port++
		}
		s.holds[h.ID], s.since[h.ID] = &h, s.now
		s.e.Write(&lifetime.Record{Type: lifetime.Assign, Time: s.now, Hold: &h})
		ids = append(ids, h.ID)
	}
	return ids
}

func (s *story) settle(id uint64) *lifetime.Hold {
	h := s.holds[id]
	h.States[h.State] += s.now.Sub(s.since[id])
	s.since[id] = s.now
	return h
}

func (s *story) enter(state event.State, ids ...uint64) {
	for _, id := range ids {
		s.settle(id).State = state
	}
}

func (s *story) release(reason event.Reason, ids ...uint64) {
	for _, id := range ids {
		h := s.settle(id)
		delete(s.holds, id)
		s.e.Write(&lifetime.Record{Type: lifetime.Release, Time: s.now, Hold: h, Reason: reason})
	}
}

// wait lets time pass, with what the tracer does every ten seconds.
func (s *story) wait(d time.Duration) {
	for end := s.now + ktime.Wall(d); s.now < end; {
		s.now += ktime.Wall(time.Second)
		if (s.now.Sub(begin)-s.ahead)%(10*time.Second) == 0 {
			s.pools()
		}
		if !s.e.live {
			continue
		}
		if judge, states := s.e.Due(s.now); judge {
			if states {
				for id := range s.holds {
					s.e.See(s.settle(id))
				}
			}
			s.e.Judge(s.now)
		}
	}
}

// end ends a recording.
func (s *story) end() {
	for id := range s.holds {
		s.e.Write(&lifetime.Record{Type: lifetime.HeldAtEnd, Time: s.now, Hold: s.settle(id)})
	}
	s.e.Write(&lifetime.Record{Type: lifetime.End, Time: s.now, End: &lifetime.EndInfo{}})
}

// use counts a pool as package pool does: connect() shares no port that bind() took.
func (s *story) use(k pool.Key) (inUse, waiting, usable int) {
	usable = size
	for _, h := range s.holds {
		switch {
		case pool.KeyOf(h) == k || !k.Dst.IsValid() && h.Proto == k.Proto:
			inUse++
			if h.State == event.TimeWait {
				waiting++
			}
		case h.Proto == event.TCP && h.Path != event.Connect:
			usable--
		}
	}
	return inUse, waiting, usable
}

func (s *story) pools() {
	told := map[pool.Key]bool{}
	for _, h := range s.holds {
		k := pool.KeyOf(h)
		inUse, waiting, usable := s.use(k)
		if told[k] || 4*inUse < usable {
			continue
		}
		told[k] = true
		s.e.Write(&lifetime.Record{Type: lifetime.Pool, Time: s.now, Pool: &lifetime.PoolInfo{
			NetNS: home, Proto: k.Proto, Src: k.Src, Dst: k.Dst, InUse: inUse, Usable: usable, TimeWait: waiting,
			MeanHeld: -1, Exhausts: s.exhausts(k, inUse, usable),
		}})
	}
}

// exhausts is what a straight line says.
func (s *story) exhausts(k pool.Key, inUse, usable int) time.Duration {
	before := 0
	for _, h := range s.holds {
		if pool.KeyOf(h) == k && h.Assigned <= s.now-ktime.Wall(10*time.Second) {
			before++
		}
	}
	if inUse <= before {
		return -1
	}
	return time.Duration(float64(usable-inUse) / float64(inUse-before) * float64(10*time.Second))
}

func (s *story) fail(n int, kind lifetime.Hold, cause lifetime.Cause, more ...func(*lifetime.FailureInfo)) {
	for range n {
		inUse, _, usable := s.use(pool.KeyOf(&kind))
		f := &lifetime.FailureInfo{
			NetNS: home, Proto: kind.Proto, Path: kind.Path, Src: kind.Src, Dst: kind.Dst, Owner: kind.Owner,
			Errno: "EADDRNOTAVAIL", Cause: cause, InUse: inUse, Usable: usable,
		}
		for _, change := range more {
			change(f)
		}
		s.e.Write(&lifetime.Record{Type: lifetime.Failure, Time: s.now, Failure: f})
	}
}

// want checks what comes first, or, of a symptom, stands first in its because.
func (s *story) want(symptom, cause ID, culprit string) {
	s.t.Helper()
	findings := s.e.Findings()
	if len(findings) == 0 {
		s.t.Fatal("nothing is found")
	}
	for _, f := range findings {
		s.t.Logf("%s %s: %s (because %v) %v", f.Severity, f.ID, f.Title, f.Because, f.Evidence)
	}
	first := findings[0]
	if symptom != "" {
		if first.ID != symptom {
			s.t.Fatalf("%s comes first, want %s", first.ID, symptom)
		}
		if cause == "" {
			return
		}
		if len(first.Because) == 0 || first.Because[0] != cause {
			s.t.Fatalf("%s is because of %v, want %s first", symptom, first.Because, cause)
		}
		for _, f := range findings {
			if f.ID == cause {
				first = f
				break
			}
		}
	}
	if first.ID != cause {
		s.t.Fatalf("%s comes first, want %s", first.ID, cause)
	}
	if culprit != "" && (first.Culprit == nil || first.Culprit.Comm != culprit) {
		s.t.Errorf("the culprit of %s is %v, want %s", first.ID, first.Culprit, culprit)
	}
	if first.Remedy == "" || len(first.Evidence) == 0 || first.Title == "" {
		s.t.Errorf("it says %+v", first)
	}
}

func (s *story) wantNothing() {
	s.t.Helper()
	for _, f := range s.e.Findings() {
		s.t.Errorf("%s %s: %s %v", f.Severity, f.ID, f.Title, f.Evidence)
	}
}
