package diagnose

import (
	"fmt"
	"slices"
	"time"

	"porttrace/internal/event"
)

const (
	// memory is how far back growth is looked at, leakTime how long it lasts before it is
	// called a leak: a service that starts has its connections sooner.
	memory   = time.Minute
	leakTime = 15 * time.Second
	// leakShare of the ports in use are a leak's before it is told.
	leakShare = 0.1
)

// lasting is how many ports of a stake do not come back by themselves.
func (s *stake) lasting(m *mix) int {
	if m.known() > 0 {
		return m.known() - m.states[event.TimeWait] + m.unknown
	}
	return int(float64(m.unknown) * (1 - share(s.place.latest.TimeWait, s.place.latest.InUse)))
}

// grow remembers how many they are.
func (c *court) grow(s *stake, m *mix) {
	if s.live < few {
		s.growth = nil
		return
	}
	if n := len(s.growth); n > 0 && c.now.Sub(s.growth[n-1].at) < interval {
		return // judged early, for what happens elsewhere
	}
	s.growth = append(s.growth, sample{c.now, s.lasting(m)})
	for len(s.growth) > 1 && c.now.Sub(s.growth[1].at) >= memory {
		s.growth = s.growth[1:]
	}
}

// leak tells of a party that takes ports and gives none back: what it holds grows
// from look to look, or it has filled the pool like that.
func (c *court) leak(s *stake, m *mix) {
	lasting, usable := s.lasting(m), c.usable(s.place)
	held := m.states[event.Established] + m.states[event.Bound]
	if !c.live && m.known() == 0 {
		held = lasting // which it may be
	}
	c.acquit(s, lasting, usable)
	if lasting < few || share(lasting, usable) < leakShare || 2*held < lasting || !c.leaks(s, m, lasting, usable) {
		return
	}
	grown, _ := s.grown()
	age := median(m.first)
	f := scored{Finding: Finding{
		Severity: Warning,
		Title: fmt.Sprintf("ports are taken and not given back: %s held %s, half of them for over %s, %s more in the last %s%s",
			grouped(lasting), where(s.place.key), rough(age), grouped(grown), rough(s.watched()), by(s)),
		Evidence: []Number{
			{"ports", float64(lasting)},
			{"in_use", float64(s.place.inUse())},
			{"usable", float64(usable)},
			{"grown", float64(grown)},
			{"grown_in_ns", float64(s.watched())},
			{"median_age_ns", float64(age)},
			{"assigned", float64(s.assigned)},
			{"released", float64(s.released)},
		},
		Remedy: "close what is no longer used: a client made for each request instead of once, a response body that is not closed, a pool without a limit or an idle timeout; restarting the program frees the ports",
	}, weight: share(lasting, s.place.inUse()), size: lasting}
	if m.known() == 0 {
		c.pending[mark{id: LeakEstablished, pool: s.place.key, who: s.party}] = &f
		return
	}
	c.putOf(LeakEstablished, s, f)
}

// leaks says whether the ports of a party grow as those of a leak do: from look to look
// and for long, or until there are none left.
func (c *court) leaks(s *stake, m *mix, lasting, usable int) bool {
	if grown, steady := s.grown(); steady && grown >= max(few, int(0.05*float64(usable))) {
		return true
	}
	return s.place.exhausted() != nil && share(lasting, usable) >= busy && spreadOf(m.first) >= leakTime && 10*s.released <= s.assigned
}

// acquit takes a leak back that has stopped with its ports still in use: it was a service
// that started.
func (c *court) acquit(s *stake, lasting, usable int) {
	m := mark{id: LeakEstablished, pool: s.place.key, who: s.party}
	old := c.found[m]
	if old == nil || s.place.exhausted() != nil || s.watched() < memory || 10*lasting < 9*old.size {
		return
	}
	if grown, _ := s.grown(); 100*grown < usable {
		delete(c.found, m)
	}
}

// confirm takes what may have been a leak for one, now that the recording has told that
// so many ports were in use, and not on their way out.
func (c *court) confirm() {
	for m, f := range c.pending {
		p := c.places[m.pool]
		if p == nil || p.stakes[m.who] == nil {
			delete(c.pending, m)
		} else if s := p.stakes[m.who]; 2*s.spells[LeakEstablished].peak() >= f.size {
			c.putOf(LeakEstablished, s, *f)
			delete(c.pending, m)
		}
	}
}

// spreadOf is the time between the first and the last of most of them.
func spreadOf(ages []time.Duration) time.Duration {
	if len(ages) == 0 {
		return 0
	}
	median(ages) // sorts
	return ages[len(ages)*19/20] - ages[len(ages)/20]
}

// grown is how much there is more than at the beginning of what is remembered, and
// whether that came step by step, over leakTime at the least, and goes on.
func (s *stake) grown() (grown int, steady bool) {
	if len(s.growth) == 0 {
		return 0, false
	}
	first, last := s.growth[0], s.growth[len(s.growth)-1]
	grown = last.lasting - first.lasting
	steps := 0
	for i := 1; i < len(s.growth); i++ {
		if s.growth[i].lasting < s.growth[i-1].lasting {
			return grown, false
		}
		if s.growth[i].lasting > s.growth[i-1].lasting {
			steps++
		}
	}
	return grown, steps >= 3 && 4*steps >= 3*(len(s.growth)-1) && last.at.Sub(first.at) >= leakTime && s.goesOn()
}

// goesOn says whether the last third of the time has its part in the growth: what takes
// its ports in a burst, and is looked at a few times since, does not grow.
func (s *stake) goesOn() bool {
	first, last := s.growth[0], s.growth[len(s.growth)-1]
	for _, at := range slices.Backward(s.growth) {
		if 3*at.at.Sub(first.at) <= 2*last.at.Sub(first.at) {
			return 6*(last.lasting-at.lasting) >= last.lasting-first.lasting
		}
	}
	return false
}

func (s *stake) watched() time.Duration {
	if len(s.growth) == 0 {
		return 0
	}
	return s.growth[len(s.growth)-1].at.Sub(s.growth[0].at)
}
