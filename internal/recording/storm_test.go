package recording

import (
	"bytes"
	"fmt"
	"math/rand/v2"
	"net/netip"
	"testing"
	"time"

	"porttrace/internal/event"
	"porttrace/internal/ktime"
	"porttrace/internal/lifetime"
)

// storm is a busy host as a recording sees it: connections of many threads, each of
// some container, to some servers, released a minute later out of TIME_WAIT or at once.
type storm struct {
	rnd    *rand.Rand
	now    ktime.Wall
	owners []lifetime.Owner
	dsts   []netip.AddrPort
	srcs   [2]netip.Addr // of IPv4, of IPv6
	held   []lifetime.Hold
	lastID uint64
}

const (
	stormHeld   = 4096
	stormOwners = 200
)

func newStorm() *storm {
	s := &storm{
		rnd: rand.New(rand.NewPCG(23, 23)),
		now: ktime.WallOf(time.Date(2026, 11, 23, 20, 15, 0, 1, time.UTC)),
		srcs: [2]netip.Addr{
			netip.MustParseAddr("10.0.12.7"), netip.MustParseAddr("2001:db8:4f:12::7"),
		},
	}
	for range stormOwners {
		s.owners = append(s.owners, s.owner())
	}
	for i := range 64 {
		to := netip.AddrFrom4([4]byte{10, byte(s.rnd.Uint32()), byte(s.rnd.Uint32()), byte(s.rnd.Uint32())})
		if i%5 == 0 {
			six := netip.MustParseAddr("2001:db8::").As16()
			six[7], six[14], six[15] = byte(s.rnd.Uint32()), byte(s.rnd.Uint32()), byte(s.rnd.Uint32())
			to = netip.AddrFrom16(six)
		}
		s.dsts = append(s.dsts, netip.AddrPortFrom(to, [...]uint16{443, 5432, 6379, 8080}[i%4]))
	}
	return s
}

func (s *storm) owner() (o lifetime.Owner) {
	pid := 1000 + s.rnd.Uint32N(1<<22)
	o = lifetime.Owner{PID: pid, TID: pid + s.rnd.Uint32N(64), UID: s.rnd.Uint32N(3) * 1000,
		Comm: [...]string{"nginx", "java", "envoy", "python3", "curl", "redis-cli", "http-nio-8080-e"}[s.rnd.IntN(7)]}
	o.User = lifetime.Intern([...]string{"root", "deploy", "www-data"}[o.UID/1000])
	o.Program = lifetime.Intern(lifetime.Program{
		Exe:     "/usr/bin/" + o.Comm,
		Cmdline: fmt.Sprintf("/usr/bin/%s --config /etc/%s/main.conf --workers %d", o.Comm, o.Comm, s.rnd.IntN(32)),
	})
	var place lifetime.Place
	defer func() { o.Place = lifetime.Intern(place) }()
	switch s.rnd.IntN(4) {
	case 0:
		place.Container = fmt.Sprintf("%016x%016x%016x%016x", s.rnd.Uint64(), s.rnd.Uint64(), s.rnd.Uint64(), s.rnd.Uint64())
		place.Cgroup = "/system.slice/docker-" + place.Container + ".scope"
		place.Runtime, place.ContainerName = "docker", fmt.Sprintf("shop-%s-%d", o.Comm, s.rnd.IntN(100))
	case 1:
		place.Unit = fmt.Sprintf("session-%d.scope", s.rnd.IntN(100))
		place.Cgroup = fmt.Sprintf("/user.slice/user-%d.slice/%s", o.UID, place.Unit)
	default:
		place.Unit = o.Comm + ".service"
		place.Cgroup = "/system.slice/" + place.Unit
	}
	return o
}

// next is an assign record, and a release record once enough is held. They are valid
// until the next call.
func (s *storm) next() (assign, release *lifetime.Record) {
	s.now += ktime.Wall(2000 + s.rnd.IntN(30000))
	s.lastID++
	h := lifetime.Hold{
		ID: s.lastID, NetNS: 4026531840, Proto: event.TCP, Port: uint16(32768 + s.rnd.IntN(28232)),
		Dst: s.dsts[s.rnd.IntN(len(s.dsts))], Path: event.Connect, Assigned: s.now,
		Search: time.Duration(500 + s.rnd.IntN(4000)), Owner: s.owners[s.rnd.IntN(len(s.owners))],
	}
	h.Src = s.srcs[h.Dst.Addr().BitLen()/128]
	assign = &lifetime.Record{Type: lifetime.Assign, Time: s.now, Hold: &h}
	if s.held = append(s.held, h); len(s.held) > stormHeld {
		release = s.release(s.rnd.IntN(stormHeld))
	}
	return assign, release
}

func (s *storm) release(i int) *lifetime.Record {
	h := s.held[i]
	s.held[i] = s.held[len(s.held)-1]
	s.held = s.held[:len(s.held)-1]
	s.now += ktime.Wall(1000 + s.rnd.IntN(1000))
	r := &lifetime.Record{Type: lifetime.Release, Time: s.now, Hold: &h, Reason: event.TimeWaitExpired}
	left := s.now.Sub(h.Assigned)
	for _, state := range []event.State{event.SynSent, event.Established, event.FinWait1, event.FinWait2} {
		d := time.Duration(s.rnd.Int64N(int64(left)/4 + 1))
		h.States[state] = d
		left -= d
	}
	h.State = event.TimeWait
	h.States[h.State] = left
	if s.rnd.IntN(8) == 0 {
		h.States = [event.States]time.Duration{event.SynSent: s.now.Sub(h.Assigned)}
		h.State, r.Reason = event.SynSent, event.Refused
	}
	return r
}

// stormLines are so many whole lifetimes, as the writer puts them.
func stormLines(lifetimes int) []byte {
	s := newStorm()
	var out []byte
	for n := 0; n < lifetimes; {
		assign, release := s.next()
		if release == nil {
			continue // not whole
		}
		n++
		out = AppendRecord(AppendRecord(out, assign), release)
	}
	return out
}

// packStorm compresses the same as the tracer would, flushing each second of the trace.
func packStorm(tb testing.TB, lifetimes int) []byte {
	var out bytes.Buffer
	w, err := NewZstdWriter(&out)
	if err != nil {
		tb.Fatal(err)
	}
	s := newStorm()
	flushed := s.now
	for n := 0; n < lifetimes; {
		assign, release := s.next()
		if release == nil {
			continue
		}
		n++
		for _, r := range []*lifetime.Record{assign, release} {
			if err := w.Write(r); err != nil {
				tb.Fatal(err)
			}
		}
		if s.now.Sub(flushed) > time.Second {
			flushed = s.now
			if err := w.Flush(); err != nil {
				tb.Fatal(err)
			}
		}
	}
	if err := w.Close(); err != nil {
		tb.Fatal(err)
	}
	return out.Bytes()
}
