package lifetime

import (
	"sort"
	"time"

	"golang.org/x/sys/unix"

	"porttrace/internal/event"
	"porttrace/internal/ktime"
)

// A time-wait timer that is cancelled may be about to restart, may make way for a new
// connect on the same tuple, or was killed by a RST or SYN. Which one shows only in
// the events after it, so such an end is provisional for a while.

// grace is how long. A restart follows in the same instant; a reuse is told when
// the connect() that took the tuple goes on to its SYN, which on a busy machine may
// have to wait for the CPU.
const grace = 2 * time.Second

// Mini-sockets are TCP's alone.
type tuple struct {
	netns    uint32
	src, dst event.Addr
	port     uint16
	dstPort  uint16
}

func tupleOf(h *event.Hold) tuple {
	return tuple{h.NetNS, h.Src, h.Dst, h.Port, h.DstPort}
}

type provisional struct {
	hold  *hold
	tuple tuple
	at    ktime.Time
}

// ends are the provisional ends, oldest first; those settled by an event leave a nil
// hold behind.
type ends struct {
	byTuple map[tuple]*provisional
	queue   []*provisional
}

func (q *ends) add(h *hold, e *event.Event) {
	p := &provisional{h, tupleOf(&e.Hold), e.Time}
	h.killed = p
	q.byTuple[p.tuple] = p
	q.queue = append(q.queue, p)
}

func (q *ends) drop(h *hold) {
	if p := h.killed; p != nil {
		p.hold, h.killed = nil, nil
		if q.byTuple[p.tuple] == p {
			delete(q.byTuple, p.tuple)
		}
	}
}

// handOver ends the hold whose tuple another socket has taken over from TIME_WAIT, in a
// connect() that began and was told at these instants: at the latter. Nobody can have
// the tuple unless the old one made way.
func (t *Tracker) handOver(next *event.Hold, began, at ktime.Time) {
	if len(t.ends.byTuple) == 0 || next.Proto != event.TCP {
		return
	}
	p, ok := t.ends.byTuple[tupleOf(next)]
	if !ok {
		return
	}
	h := p.hold
	t.ends.drop(h)
	if p.at < began {
		t.end(h, p.at, event.TimeWaitKilled) // it was gone already
		return
	}
	t.end(h, at, event.TimeWaitReused)
}

// searchBegan returns when the kernel began to look for a hold's port, or the earliest
// it can have been where that was not measured.
func searchBegan(h *event.Hold, at ktime.Time) ktime.Time {
	searched := uint64(grace)
	if h.Search != event.NoSearch {
		searched = h.Search
	}
	return at - min(at, ktime.Time(searched))
}

// Advance tells the tracker what time it is, so that provisional ends come due.
func (t *Tracker) Advance(now ktime.Time) { t.settle(now, false) }

func (t *Tracker) settle(now ktime.Time, all bool) {
	due := 0
	for _, p := range t.ends.queue {
		if p.hold != nil && !all && now < p.at.Add(grace) {
			break
		}
		due++
		if h := p.hold; h != nil {
			t.ends.drop(h)
			t.end(h, p.at, event.TimeWaitKilled)
		}
	}
	t.ends.queue = append(t.ends.queue[:0], t.ends.queue[due:]...)
}

func (t *Tracker) inOrder() []*hold {
	holds := make([]*hold, 0, len(t.held))
	for _, h := range t.held {
		holds = append(holds, h)
	}
	sort.Slice(holds, func(i, j int) bool { return holds[i].ID < holds[j].ID })
	return holds
}

func errnoName(errno uint16) string {
	return unix.ErrnoName(unix.Errno(errno))
}
