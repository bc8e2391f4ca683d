package diagnose

import (
	"fmt"
	"time"

	"porttrace/internal/event"
	"porttrace/internal/lifetime"
	"porttrace/internal/pool"
)

const (
	// soon is how far ahead exhaustion is worth a warning.
	soon = 5 * time.Minute
	// sure is the use from which a forecast is believed.
	sure = 0.4
)

// exhausted is what failed in a place for want of ports, nil if nothing did.
func (p *place) exhausted() *failed {
	for _, cause := range []lifetime.Cause{lifetime.RangeExhausted, lifetime.RangeReserved} {
		if f := p.failures[cause]; f != nil {
			return f
		}
	}
	return nil
}

// symptoms tells that ports cannot be had, or soon cannot.
func (c *court) symptoms(p *place) {
	if f := p.exhausted(); f != nil {
		if f.news {
			c.exhausted(p, f)
			f.news = false
		}
		return
	}
	if !p.told || p.latest.Exhausts < 0 || p.latest.Exhausts > soon || share(p.latest.InUse, p.latest.Usable) < sure {
		return
	}
	// a service that has just started takes its connections at once: a trend lasts
	if p.before.Usable == 0 || p.before.Exhausts < 0 || p.before.InUse >= p.latest.InUse {
		return
	}
	top := p.main(func(s *stake) int { return s.live })
	left := p.latest.Exhausts - c.now.Sub(p.toldAt)
	s := scored{Finding: Finding{
		Severity: Warning,
		Title: fmt.Sprintf("ports %s run out in %s: %s of %s in use, %.0f more a second%s", where(p.key), rough(max(left, 0)),
			grouped(p.latest.InUse), grouped(p.latest.Usable), p.latest.AssignRate, by(top)),
		Evidence: []Number{
			{"exhausts_in_ns", float64(max(left, 0))},
			{"in_use", float64(p.latest.InUse)},
			{"usable", float64(p.latest.Usable)},
			{"time_wait", float64(p.latest.TimeWait)},
			{"assign_rate", p.latest.AssignRate},
		},
		Remedy: "see what it points to; until then fewer new connections a second, or more addresses to connect from or to, put it off",
	}, weight: 1}
	if left < time.Minute {
		s.Severity = Critical
	}
	c.put(Exhausting, p, top, s)
}

// put adds a finding about a pool, and whom it concerns most.
func (c *court) put(id ID, p *place, top *stake, s scored) {
	key := p.key
	s.Pool, s.netns, s.proto = &key, key.NetNS, key.Proto
	if top != nil {
		s.Culprit = top.culprit()
	}
	c.add(mark{id: id, pool: key}, s)
}

func (c *court) exhausted(p *place, f *failed) {
	id := Exhausted
	if p.key.Proto == event.UDP {
		id = UDPExhausted
	}
	top, part := c.holders(p)
	evidence := []Number{{"failures", float64(f.n)}}
	title := fmt.Sprintf("no free port %s: %s", where(p.key), times(f.n, call(f.worst.Path, p.key.Proto), f.worst.Errno))
	if f.worst.InUse >= 0 && f.worst.Usable >= 0 {
		evidence = append(evidence, Number{"in_use", float64(f.worst.InUse)}, Number{"usable", float64(f.worst.Usable)})
		if f.worst.Usable == 0 {
			title += "; none of the range may be used here"
		} else {
			title += fmt.Sprintf("; %s of %s in use", grouped(f.worst.InUse), grouped(f.worst.Usable))
		}
		if waiting := min(c.waiting(p), f.worst.InUse); waiting > 0 {
			evidence = append(evidence, Number{"time_wait", float64(waiting)})
			title += fmt.Sprintf(", %s of them in TIME_WAIT", grouped(waiting))
		}
		if top.isKnown() && f.worst.InUse > 0 {
			evidence = append(evidence, Number{"culprit_percent", 100 * part})
			title += fmt.Sprintf(", %.0f %% of them by %s", 100*part, top.name())
		}
	}
	if who := f.who(); who.isKnown() {
		title += ", failing: " + who.name()
	}
	key := p.key
	c.add(mark{id: id, pool: key}, scored{Finding: Finding{
		Severity: Critical, Title: title, Evidence: evidence, Pool: &key, Culprit: top.culprit(),
		Remedy: c.firstAid(p),
	}, weight: 1, size: f.n, netns: key.NetNS, proto: key.Proto})
}

// holders is who holds the most of the ports that a place may not use, and what share.
// bind(), listen() and UDP are kept from what anybody has on an address that conflicts.
func (c *court) holders(p *place) (top suspect, part float64) {
	live, all := map[*party]*tally{}, 0
	count := func(p *place) {
		all += p.live
		for who, s := range p.stakes {
			if s.live == 0 {
				continue
			}
			if live[who] == nil {
				live[who] = &tally{suspect: suspect{party: who}}
			}
			live[who].n += s.live
			live[who].meet(s.pid)
		}
	}
	if p.key.Dst.IsValid() {
		count(p)
	} else {
		for _, other := range c.places {
			if other.keepsFrom(p) {
				count(other)
			}
		}
	}
	of := most(live)
	return of.suspect, share(of.n, all)
}

// keepsFrom says whether the ports of p cannot be had in another place, one without a
// destination.
func (p *place) keepsFrom(other *place) bool {
	return p.key.NetNS == other.key.NetNS && p.key.Proto == other.key.Proto && pool.Conflicts(p.key.Src, other.key.Src)
}

// firstAid is what gets a place going at once.
func (c *court) firstAid(p *place) string {
	what := "restarting what holds the most ports frees them"
	if waiting := c.waiting(p); waiting > 0 && 2*waiting >= p.inUse() {
		what = "what is in TIME_WAIT comes back within a minute, if fewer connections are made"
	}
	return "see what it points to; to get going at once: " + what +
		"; or widen net.ipv4.ip_local_port_range (ports of services that listen inside go to ip_local_reserved_ports first)"
}

// waiting is how many ports of a place are in TIME_WAIT.
func (c *court) waiting(p *place) int {
	if f := p.exhausted(); f != nil && f.waiting >= 0 {
		return f.waiting
	}
	n := 0
	for _, s := range p.stakes {
		if m := c.mixes[s]; m != nil {
			n += m.states[event.TimeWait]
		}
	}
	if n == 0 && p.told {
		n = p.latest.TimeWait
	}
	return n
}

// call names the system call that failed.
func call(path event.Path, proto event.Proto) string {
	switch path {
	case event.Bind:
		return "bind()"
	case event.Listen:
		return "listen()"
	case event.UDPSend:
		return "sendto()"
	}
	return "connect()"
}

func times(n int, call, errno string) string {
	if n == 1 {
		return fmt.Sprintf("a %s failed with %s", call, errno)
	}
	return fmt.Sprintf("%s %s failed with %s", grouped(n), call, errno)
}
