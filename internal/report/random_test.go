package report

import (
	"io"
	"math/rand/v2"
	"net/netip"
	"slices"
	"time"

	"porttrace/internal/event"
	"porttrace/internal/ktime"
	"porttrace/internal/lifetime"
	"porttrace/internal/recording"
)

// storm makes up a busy host: connections to some servers, most of them released out of
// TIME_WAIT, in the order a tracer records them.
type storm struct {
	rnd     *rand.Rand
	now     ktime.Wall
	held    []lifetime.Hold
	most    int // held at a time
	pids    uint32
	lastID  uint64
	lasting bool // lifetimes of seconds, not of microseconds
	dsts    []netip.AddrPort
	host    string
}

func newStorm(seed uint64, most int, pids uint32) *storm {
	s := &storm{rnd: rand.New(rand.NewPCG(seed, 23)), now: epoch, most: most, pids: pids, host: "storm"}
	for i := range 64 {
		to := netip.AddrFrom4([4]byte{10, 1, byte(i), byte(s.rnd.Uint32())})
		s.dsts = append(s.dsts, netip.AddrPortFrom(to, [...]uint16{443, 5432, 6379, 8080}[i%4]))
	}
	return s
}

func (s *storm) start() *lifetime.Record {
	return &lifetime.Record{Type: lifetime.Start, Time: s.now, Start: &lifetime.StartInfo{Schema: 1, Host: s.host, BootID: "b"}}
}

// next returns the next record; it is valid until the next call.
func (s *storm) next() *lifetime.Record {
	step := int64(20_000)
	if s.lasting {
		step = int64(sec)
	}
	s.now += ktime.Wall(1 + s.rnd.Int64N(step))
	if len(s.held) < s.most && (len(s.held) == 0 || s.rnd.IntN(5) > 1) || len(s.held) < s.most/2 {
		return s.assign()
	}
	i := s.rnd.IntN(len(s.held))
	r := s.release(s.held[i])
	s.held[i] = s.held[len(s.held)-1]
	s.held = s.held[:len(s.held)-1]
	return r
}

var comms = [...]string{"nginx", "java", "envoy", "python3", "curl", "redis-cli", "http-nio-8080-e"}

func (s *storm) assign() *lifetime.Record {
	s.lastID++
	pid := 1 + s.rnd.Uint32N(s.pids)
	h := lifetime.Hold{
		ID: s.lastID, NetNS: 4026531840, Proto: event.TCP, Port: uint16(32768 + s.rnd.IntN(28232)),
		Src: netip.MustParseAddr("10.0.12.7"), Dst: s.dsts[s.rnd.IntN(len(s.dsts))], Path: event.Connect,
		Assigned: s.now, Search: time.Duration(500 + s.rnd.IntN(4000)),
		Owner: lifetime.Owner{PID: pid, TID: pid, UID: 1000, Comm: comms[pid%7], Place: lifetime.Intern(lifetime.Place{Cgroup: "/system.slice/x.service"})},
	}
	s.held = append(s.held, h)
	return &lifetime.Record{Type: lifetime.Assign, Time: s.now, Hold: &h}
}

func (s *storm) release(h lifetime.Hold) *lifetime.Record {
	s.spend(&h)
	reason := event.TimeWaitExpired
	if h.State != event.TimeWait {
		reason = event.Closed
	}
	return &lifetime.Record{Type: lifetime.Release, Time: s.now, Hold: &h, Reason: reason}
}

// spend spreads the time since h was assigned over the states that it went through.
func (s *storm) spend(h *lifetime.Hold) {
	left := s.now.Sub(h.Assigned)
	way := []event.State{event.SynSent, event.Established, event.FinWait1, event.FinWait2, event.TimeWait}
	if s.rnd.IntN(4) == 0 {
		way = []event.State{event.SynSent, event.Established, event.CloseWait, event.LastAck}
	}
	for _, state := range way[:len(way)-1] {
		d := time.Duration(s.rnd.Int64N(int64(left)/2 + 1))
		h.States[state] = d
		left -= d
	}
	h.State = way[len(way)-1]
	h.States[h.State] = left
}

// records is a whole recording of n records and what is held after them.
func (s *storm) records(n int) []*lifetime.Record {
	out := []*lifetime.Record{s.start()}
	end := &lifetime.EndInfo{Complete: true}
	for range n {
		r := s.next()
		if r.Type == lifetime.Assign {
			end.Assigned++
		} else {
			end.Released++
		}
		out = append(out, r)
	}
	s.now += ktime.Wall(sec)
	slices.SortFunc(s.held, func(a, b lifetime.Hold) int { return int(a.ID) - int(b.ID) })
	for i := range s.held {
		h := s.held[i]
		s.spend(&h)
		out = append(out, &lifetime.Record{Type: lifetime.HeldAtEnd, Time: s.now, Hold: &h})
	}
	end.Held = uint64(len(s.held))
	return append(out, &lifetime.Record{Type: lifetime.End, Time: s.now, End: end})
}

func encode(records []*lifetime.Record) (data []byte) {
	for _, r := range records {
		data = recording.AppendRecord(data, r)
	}
	return data
}

// stormReader is a recording of n records that takes no memory.
type stormReader struct {
	s    *storm
	left int
	buf  []byte
	at   int
}

func newStormReader(s *storm, n int) *stormReader {
	return &stormReader{s: s, left: n, buf: recording.AppendRecord(nil, s.start())}
}

func (r *stormReader) Read(b []byte) (int, error) {
	if r.at == len(r.buf) {
		if r.left == 0 {
			return 0, io.EOF
		}
		r.buf, r.at = r.buf[:0], 0
		for len(r.buf) < 60<<10 && r.left > 0 {
			r.buf = recording.AppendRecord(r.buf, r.s.next())
			r.left--
		}
	}
	n := copy(b, r.buf[r.at:])
	r.at += n
	return n, nil
}
