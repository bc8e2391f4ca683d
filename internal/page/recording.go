package page

import (
	"time"

	"porttrace/internal/event"
	"porttrace/internal/ktime"
	"porttrace/internal/lifetime"
)

// clockStep is a wall clock that was set.
type clockStep struct {
	at ktime.Wall // by the clock before
	by time.Duration
}

// recording is one trace, in one part or several, and how complete it is.
type recording struct {
	trace                  int // pools and their use go on through recordings of one trace
	host, boot, kernel     string
	version, hooks, filter string
	last, parts, absent    int // the number of the latest part; how many came, and did not
	from, to               ktime.Wall
	lost, reconciled       uint64
	torn                   bool
	steps                  []clockStep       // of the wall clock
	end                    *lifetime.EndInfo // nil: none was read
	ranges                 map[uint32]lifetime.Range
}

func (r *recording) put(l *lifetime.LostInfo) {
	if l.Reconciled >= 0 {
		r.reconciled += uint64(l.Reconciled)
	}
}

// isComplete says that the recording tells of everything there was, by its own account.
func (r *recording) isComplete() bool {
	return r.end != nil && r.end.Complete && r.lost == 0 && !r.torn && r.absent == 0
}

// recording returns the recording that a record is of. A start record begins one, unless it
// is that of a further part.
func (c *Collector) recording(r *lifetime.Record) *recording {
	var last *recording
	if n := len(c.recordings); n > 0 {
		last = c.recordings[n-1]
	}
	if last != nil && r.Type != lifetime.Start {
		return last
	}
	info := r.Start
	if r.Type != lifetime.Start {
		info = &lifetime.StartInfo{}
	}
	if last != nil && last.end == nil && info.Part > 1 && info.BootID == last.boot && info.Host == last.host {
		last.parts++
		last.absent += max(info.Part-last.last-1, 0)
		last.last = info.Part
		c.offer(last, info.Pools)
		return last
	}
	next := &recording{
		host: info.Host, boot: info.BootID, kernel: info.Kernel, version: info.Version,
		hooks: info.Hooks, filter: info.Filter, last: info.Part, parts: 1, absent: max(info.Part-1, 0),
		from: r.Time, to: r.Time, ranges: map[uint32]lifetime.Range{},
	}
	if last != nil {
		c.leaveLive(last)
		c.closePools(last)
		next.trace = last.trace + 1
	}
	if last != nil && last.boot == next.boot && last.host == next.host && next.from >= last.to {
		next.trace = last.trace
	}
	c.recordings = append(c.recordings, next)
	c.offer(next, info.Pools)
	return next
}

// offer notes the ranges of namespaces. A space has the widest that it ever had.
func (c *Collector) offer(rec *recording, ranges []lifetime.Range) {
	for _, r := range ranges {
		rec.ranges[r.NetNS] = r
		for id, s := range c.spaces {
			if id.host == rec.host && id.netns == r.NetNS {
				s.offer(r)
			}
		}
	}
}

func (s *space) offer(r lifetime.Range) {
	if s.lo == 0 || r.Lo < s.lo {
		s.lo = r.Lo
	}
	s.hi = max(s.hi, r.Hi)
	s.usable, s.reserved = r.Usable, r.Reserved
}

func (c *Collector) space(rec *recording, netns uint32, proto event.Proto) *space {
	id := spaceID{rec.host, netns, proto}
	s := c.spaces[id]
	if s == nil {
		s = &space{id: id}
		if r, ok := rec.ranges[netns]; ok {
			s.offer(r)
		}
		c.spaces[id] = s
	}
	return s
}

// leaveLive keeps the holds whose end a recording does not tell: it was torn, or cut.
func (c *Collector) leaveLive(rec *recording) {
	for _, l := range c.live {
		c.leave(rec, l)
	}
	clear(c.live)
}

// closePools ends what was held at the end of a recording: of what follows nothing is known.
func (c *Collector) closePools(rec *recording) {
	for _, u := range c.occupancy.pools {
		if u.id.trace == rec.trace {
			u.close(c.time.bin(rec.to))
		}
	}
}

// leave keeps a hold of which only the beginning is known.
func (c *Collector) leave(rec *recording, l live) {
	b := l.hold
	b.from, b.to = l.from, rec.to
	c.spans = append(c.spans[:0], span{unknown, b.from, b.to})
	c.keep(l.space, b)
	if l.use != nil {
		c.step(l.use, b)
	}
}
