package diagnose

import (
	"slices"
	"time"

	"porttrace/internal/event"
	"porttrace/internal/pool"
)

// mark tells findings apart: one of a kind in a pool, or of a party.
type mark struct {
	id   ID
	pool pool.Key
	who  *party
}

// scored is a finding with the share of the ports in use that it accounts for, and with
// how much there is of it: a share is soon a whole one, and the number still grows.
type scored struct {
	Finding
	weight float64
	size   int
	netns  uint32
	proto  event.Proto
}

// mix is how the ports of a stake are held at a moment.
type mix struct {
	states  [event.States]int
	ages    [event.States][]time.Duration
	unknown int // their state is
	poison  int // taken by bind(), and connected
	first   []time.Duration
	pids    map[uint32]int // whose they are, where it is not one process
}

func (m *mix) known() int {
	n := 0
	for _, k := range m.states {
		n += k
	}
	return n
}

// age is the median time in a state.
func (m *mix) age(state event.State) time.Duration { return median(m.ages[state]) }

func median(ages []time.Duration) time.Duration {
	if len(ages) == 0 {
		return 0
	}
	slices.Sort(ages)
	return ages[len(ages)/2]
}

// court is one judgement.
type court struct {
	*Engine
	mixes map[*stake]*mix
}

func (e *Engine) judge() {
	c := &court{Engine: e, mixes: map[*stake]*mix{}}
	e.current = map[mark]bool{}
	for _, p := range e.places {
		p.hot = p.stressed() >= notable || !e.live && share(p.worst.InUse, p.worst.Usable) >= notable
	}
	for _, h := range e.holds {
		c.count(h)
	}
	for s, m := range c.mixes {
		c.grow(s, m)
		s.blame(m)
	}
	for _, p := range e.places {
		c.symptoms(p)
		c.states(p)
		c.refusals(p)
		c.searching(p)
	}
	c.namespaces()
	c.givenAway()
	c.confirm()
	for m := range e.found { // a forecast is of its moment
		if m.id == Exhausting && !e.current[m] {
			delete(e.found, m)
		}
	}
	e.trim()
}

func (c *court) count(h *holding) {
	m := c.mixes[h.stake]
	if m == nil {
		m = &mix{}
		c.mixes[h.stake] = m
	}
	hot := h.stake.place.hot
	if hot {
		m.first = append(m.first, c.now.Sub(h.first))
		if h.stake.pid == 0 && !h.outside {
			if m.pids == nil {
				m.pids = map[uint32]int{}
			}
			m.pids[h.pid]++
		}
	}
	if h.path == event.Bind && h.connected && h.stake.place.key.Proto == event.TCP {
		m.poison++
	}
	if !h.known {
		m.unknown++
		return
	}
	m.states[h.state]++
	if hot {
		m.ages[h.state] = append(m.ages[h.state], h.age(c.now))
	}
}

// add keeps a finding, if it is the strongest of its kind there.
func (c *court) add(m mark, s scored) {
	s.ID = m.id
	c.current[m] = true
	old := c.found[m]
	if old == nil || s.Severity > old.Severity {
		c.fresh = append(c.fresh, m)
	}
	if old == nil || m.id == Exhausting || s.Severity > old.Severity || s.Severity == old.Severity && s.size >= old.size {
		c.found[m] = &s
	}
}

// stressed is how much of a place is in use, 1 where ports could not be had.
func (p *place) stressed() float64 {
	if len(p.failures) > 0 && p.exhausted() != nil {
		return 1
	}
	if !p.told {
		return 0
	}
	return share(p.latest.InUse, p.latest.Usable)
}
