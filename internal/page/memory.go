package page

import (
	"net/netip"
	"time"

	"porttrace/internal/event"
	"porttrace/internal/ktime"
)

// holdsKept is how many holds the page tells exactly, of all ports together; of each port the
// latest. A hold takes about 20 bytes of the page.
const holdsKept = 150_000

// holdsOfPort is how many of a port, if all find room.
const holdsOfPort = 64

// brief is a hold, as a port's own timeline tells it.
type brief struct {
	from, to ktime.Wall
	dst      netip.AddrPort
	pid      uint32
	states   [event.States]float32 // ms
	party    uint16
	port     uint16
	path     event.Path
	reason   event.Reason
	ended    bool
}

func (b *brief) setStates(states *[event.States]time.Duration) {
	for s, d := range states {
		b.states[s] = float32(float64(d) / float64(time.Millisecond))
	}
}

// memory bounds how many holds are remembered.
type memory struct {
	kept    int
	ofPort  int
	dropped bool
}

func newMemory() memory { return memory{ofPort: holdsOfPort} }

// add remembers a hold, and tells whether there are too many now.
func (m *memory) add(r *portRow, b brief) bool {
	if len(r.recent.list) >= m.ofPort {
		m.dropped = true
		r.recent.replace(b)
		return false
	}
	r.recent.list = append(r.recent.list, b)
	m.kept++
	return m.kept > holdsKept
}

// trim leaves fewer holds of each port, until all together are few enough.
func (m *memory) trim(each func(func(*portRow))) {
	for m.kept > holdsKept && m.ofPort > 1 {
		m.ofPort = max(m.ofPort*3/4, 1)
		m.kept = 0
		each(func(r *portRow) {
			if len(r.recent.list) > m.ofPort {
				r.recent.keep(m.ofPort)
				m.dropped = true
			}
			m.kept += len(r.recent.list)
		})
	}
}

// ring is the latest holds of a port.
type ring struct {
	list  []brief
	first int // the oldest
}

func (r *ring) replace(b brief) {
	r.list[r.first] = b
	r.first = (r.first + 1) % len(r.list)
}

func (r *ring) keep(n int) {
	ordered := make([]brief, 0, len(r.list))
	for _, b := range r.inOrder {
		ordered = append(ordered, b)
	}
	r.list, r.first = append([]brief(nil), ordered[len(ordered)-n:]...), 0
}

// inOrder yields the oldest first. A ring that is not full has it in front.
func (r *ring) inOrder(yield func(int, brief) bool) {
	for i := range r.list {
		if !yield(i, r.list[(r.first+i)%len(r.list)]) {
			return
		}
	}
}
