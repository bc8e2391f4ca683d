package diagnose

import (
	"net/netip"
	"testing"
	"time"

	"porttrace/internal/event"
	"porttrace/internal/lifetime"
)

func (s *story) find(id ID) (found []Finding) {
	for _, f := range s.e.Findings() {
		if f.ID == id {
			found = append(found, f)
		}
	}
	return found
}

func (s *story) wantNo(id ID) {
	s.t.Helper()
	for _, f := range s.find(id) {
		s.t.Errorf("%s %s: %s %v", f.Severity, f.ID, f.Title, f.Evidence)
	}
}

// value is a number of the first finding of a kind, -1 if there is none.
func (s *story) value(id ID, name string) float64 {
	for _, f := range s.find(id) {
		for _, n := range f.Evidence {
			if n.Name == name {
				return n.Value
			}
		}
	}
	return -1
}

// A service that opens its connections one after the other, and then has them, leaks none.
func TestServiceThatStartsIsNoLeak(t *testing.T) {
	s := tell(t)
	for range 30 {
		s.take(20, connectTo(server, "service"))
		s.wait(time.Second)
	}
	s.wait(3 * time.Minute)
	s.wantNothing()
}

// Nor does one that opens them in some seconds in which the evidence is judged often, for
// what happens elsewhere.
func TestBurstIsNoLeak(t *testing.T) {
	for name, s := range map[string]*story{"live": tell(t), "recorded": recorded(t)} {
		for i := range 5 {
			s.fail(1, connectTo(manyAddrs(uint64(i)), "app"), lifetime.TupleInUse)
			s.take(125, connectTo(server, "service"))
			s.wait(time.Second)
		}
		s.wait(20 * time.Second)
		if !s.e.live {
			s.end()
		}
		t.Log(name)
		s.wantNo(LeakEstablished)
	}
}

func TestRefusalsThatAreNoWarning(t *testing.T) {
	s := tell(t)
	s.fail(2, connectTo(server, "app"), lifetime.TupleInUse)
	probe := connectTo(server, "go")
	probe.Path, probe.Src = event.Bind, netip.IPv6Loopback()
	s.fail(100, probe, lifetime.AddressNotLocal)
	s.wait(10 * time.Second)
	if f := s.e.Findings(); len(f) != 1 || f[0].ID != TupleClash || f[0].Severity != Info {
		t.Errorf("got %+v, want one finding worth knowing", f)
	}
	s.fail(1, connectTo(server, "app"), lifetime.TupleInUse)
	s.wait(10 * time.Second)
	if f := s.e.Findings(); len(f) != 1 || f[0].Severity != Warning {
		t.Errorf("got %+v, want a warning", f)
	}
}

// A number that a program asked for once is no service's.
func TestPortAskedForOnceIsNotLost(t *testing.T) {
	s := tell(t)
	once := connectTo(server, "ftp")
	once.Path, once.Port = event.Explicit, 40011
	s.release(event.Closed, s.take(1, once)...)
	taker := connectTo(server, "curl")
	taker.Port = 40011
	s.take(1, taker)
	s.wait(6 * time.Second)
	s.wantNothing()
}

// Where connect() takes ports over from TIME_WAIT, a pool full of it serves on.
func TestTimeWaitThatIsUsedAgainIsNoChurn(t *testing.T) {
	s := tell(t)
	ids := s.take(600, connectTo(server, "curl"))
	s.enter(event.TimeWait, ids...)
	for i := range 50 {
		s.release(event.TimeWaitReused, ids[i])
		s.enter(event.TimeWait, s.take(1, connectTo(server, "curl"))...)
		s.wait(time.Second)
	}
	s.wantNothing()
}

// A large range of which a tenth is reserved is not what a full pool suffers from.
func TestLargeRangeIsNotCut(t *testing.T) {
	s := tell(t)
	s.rangeOf(1024, 65535, 55000)
	s.e.Write(&lifetime.Record{Type: lifetime.Pool, Time: s.now, Pool: &lifetime.PoolInfo{
		NetNS: home, Proto: event.TCP, Src: here, Dst: server, InUse: 54000, Usable: 55000, MeanHeld: -1, Exhausts: -1,
	}})
	s.wait(6 * time.Second)
	s.wantNo(RangeCut)
}

// Ports that nobody is seen to hold, and that cannot be had: what listens on them is not
// traced without --explicit.
func TestPortsTakenByWhatIsNotTraced(t *testing.T) {
	s := tell(t)
	s.take(300, connectTo(server, "app"))
	s.fail(1, connectTo(server, "app"), lifetime.RangeExhausted)
	s.wait(6 * time.Second)
	s.want(Exhausted, RangeCut, "")
	if n := s.value(RangeCut, "not_traced"); n != 700 {
		t.Errorf("%v ports are taken by what is not traced, want 700", n)
	}
}

// bind() finds no port where connect() has left all of them in TIME_WAIT.
func TestBindIsKeptFromPortsOfConnect(t *testing.T) {
	s := tell(t)
	s.enter(event.TimeWait, s.take(size, connectTo(server, "curl"))...)
	s.wait(10 * time.Second)
	bind := connectTo(netip.AddrPort{}, "ftpd")
	bind.Path, bind.Src = event.Bind, netip.IPv4Unspecified()
	s.fail(3, bind, lifetime.RangeExhausted, func(f *lifetime.FailureInfo) { f.Errno = "EADDRINUSE" })
	s.wait(2 * time.Second)
	s.want(Exhausted, TimeWaitChurn, "curl")
	if who := s.e.Findings()[0].Culprit; who == nil || who.Comm != "curl" {
		t.Errorf("the ports are taken by %+v, want curl", who)
	}
}

// The numbers of what is told are those of when ports ran out, not of a look after it.
func TestNumbersAreThoseOfTheFailure(t *testing.T) {
	s := tell(t)
	ids := s.take(size, connectTo(server, "curl"))
	s.enter(event.TimeWait, ids...)
	s.fail(1, connectTo(server, "curl"), lifetime.RangeExhausted)
	s.pools()
	s.wait(2 * time.Second)
	s.release(event.TimeWaitExpired, ids[:size/2]...)
	s.wait(time.Minute)
	for _, name := range []string{"in_use", "time_wait", "usable"} {
		if n := s.value(Exhausted, name); n != size {
			t.Errorf("%s is %v, want %d", name, n, size)
		}
	}
	if n := s.value(TimeWaitChurn, "time_wait"); n != size {
		t.Errorf("%v in TIME_WAIT explain it, want %d", n, size)
	}
}

// What is not used as listed in the start record any more is seen from the pools.
func TestRangeThatChanges(t *testing.T) {
	s := tell(t)
	s.fail(3, connectTo(server, "app"), lifetime.RangeReserved, func(f *lifetime.FailureInfo) { f.InUse, f.Usable = 0, 0 })
	s.wait(2 * time.Second)
	s.want(Exhausted, RangeCut, "")
	if n := s.value(RangeCut, "reserved"); n != size {
		t.Errorf("%v are reserved, want %d", n, size)
	}
	s.e.Ranges(func(netns, pid uint32) (lifetime.Range, bool) {
		return lifetime.Range{NetNS: netns, Lo: 40000, Hi: 40009, Usable: 10}, true
	})
	if rng := s.e.ranges[home]; rng.Usable != 10 {
		t.Errorf("the range is %+v, want the one read", rng)
	}
}

// Processes of one name and unit are one party, and each pool names the one of its own.
// Who is to blame is told with the names that came with the last of its holds.
func TestCulpritIsInAPlace(t *testing.T) {
	s := tell(t)
	nameless := lifetime.Place{Cgroup: "/kubepods/podx/y", Container: "y", PodUID: "x"}
	named := nameless
	named.Pod, named.PodNamespace = "cart-0", "prod"
	h := connectTo(server, "java")
	h.Owner.Place = lifetime.Intern(nameless)
	s.take(size-1, h)
	h.Owner.Place = lifetime.Intern(named)
	s.take(1, h)
	s.fail(1, h, lifetime.RangeExhausted)
	s.wait(2 * time.Second)
	if who := s.find(Exhausted)[0].Culprit; who == nil || who.Place.Value() != named {
		t.Errorf("the culprit is %+v, want it in %+v", who, named)
	}
}

func TestCulpritIsTheProcessOfThatPool(t *testing.T) {
	s := tell(t)
	elsewhere := connectTo(other, "curl")
	elsewhere.Owner.PID = 200
	s.take(20, elsewhere)
	s.enter(event.TimeWait, s.take(size, connectTo(server, "curl"))...)
	s.fail(1, connectTo(server, "curl"), lifetime.RangeExhausted)
	s.wait(2 * time.Second)
	for _, f := range s.e.Findings() {
		if f.Culprit != nil && f.Culprit.PID != 100 {
			t.Errorf("the culprit of %s is %+v, want process 100", f.ID, *f.Culprit)
		}
	}
	second := connectTo(server, "curl")
	second.Owner.PID = 300
	for _, tc := range []struct {
		more int
		want uint32
	}{{1, 100}, {size, 0}} {
		s.take(tc.more, second)
		s.fail(1, second, lifetime.RangeExhausted)
		s.wait(6 * time.Second)
		if who := s.find(Exhausted)[0].Culprit; who == nil || who.PID != tc.want || who.Comm != "curl" {
			t.Errorf("with %d ports of another process the culprit is %+v, want process %d (0: neither)", tc.more, who, tc.want)
		}
	}
}
