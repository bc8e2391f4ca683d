package diagnose

import (
	"fmt"
	"time"

	"porttrace/internal/event"
	"porttrace/internal/ktime"
)

// Below these nothing is said of a host that works: a pool at a quarter is where the
// tracer begins to tell of it.
const (
	notable = 0.25
	busy    = 0.5
	few     = 20 // ports, at the least

	synSentLong   = 2 * time.Second
	closeWaitLong = 5 * time.Second
	finWait2Long  = 3 * time.Second
)

// states tells what the ports of a place are held up in.
func (c *court) states(p *place) {
	if !p.hot {
		return
	}
	c.timeWaitChurn(p)
	for _, s := range p.stakes {
		m := c.mixes[s]
		if m == nil {
			m = &mix{}
		}
		c.stuck(s, m, event.SynSent, SynSentPileup, 0.05, synSentLong)
		c.stuck(s, m, event.CloseWait, LeakCloseWait, 0.02, closeWaitLong)
		c.stuck(s, m, event.FinWait2, FinWait2Orphans, 0.05, finWait2Long)
		c.leak(s, m)
	}
}

// timeWaitChurn: most of what is in use waits out its minute.
func (c *court) timeWaitChurn(p *place) {
	inUse := p.inUse()
	waiting := min(c.waiting(p), inUse)
	if p.stressed() < busy || waiting < few || 2*waiting < inUse || p.reuses(c.now) {
		return
	}
	top := p.main(func(s *stake) int {
		if m := c.mixes[s]; m != nil && m.known() > 0 {
			return m.states[event.TimeWait]
		}
		return s.live
	})
	evidence := []Number{
		{"time_wait", float64(waiting)},
		{"in_use", float64(inUse)},
		{"usable", float64(c.usable(p))},
	}
	pace := ""
	if p.told {
		evidence = append(evidence, Number{"assign_rate", p.latest.AssignRate})
		if p.latest.AssignRate >= 1 {
			pace = fmt.Sprintf(", %.0f new ones a second", p.latest.AssignRate)
		}
	}
	if lived := p.lived(); lived > 0 {
		evidence = append(evidence, Number{"mean_used_ns", float64(lived)})
		pace += fmt.Sprintf(", used for %s each", rough(lived))
	}
	c.put(TimeWaitChurn, p, top, scored{Finding: Finding{
		Severity: Warning,
		Title:    fmt.Sprintf("short connections %s: %s of %s ports in use wait in TIME_WAIT%s%s", where(p.key), grouped(waiting), grouped(inUse), pace, by(top)),
		Evidence: evidence,
		Remedy: "keep connections open and use them again (a connection pool, HTTP keep-alive); or have the server close first; or set net.ipv4.tcp_tw_reuse=1, " +
			"which lets connect() take over ports that waited a second (needs TCP timestamps on both sides); or give it more source or destination addresses. SO_LINGER 0 loses data: do not",
	}, weight: share(waiting, inUse), size: waiting})
}

// reuses says whether connect() takes ports over from TIME_WAIT: they are in nobody's way.
func (p *place) reuses(now ktime.Wall) bool {
	return p.reusedAt != 0 && now.Sub(p.reusedAt) < memory && p.exhausted() == nil
}

// inUse is the use of a place that is known best.
func (p *place) inUse() int {
	if f := p.exhausted(); f != nil && f.worst.InUse >= 0 && (!p.told || f.worst.InUse > p.latest.InUse) {
		return f.worst.InUse
	}
	if p.told && p.key.Dst.IsValid() { // where no two sockets share a port
		return min(max(p.latest.InUse, p.live), max(p.latest.Usable, p.latest.InUse))
	}
	if p.told {
		return p.latest.InUse
	}
	return p.live
}

// lived is how long a connection was used before its TIME_WAIT, of those released.
func (p *place) lived() time.Duration {
	var used time.Duration
	n := 0
	for _, s := range p.stakes {
		n += s.released
		for state, d := range s.spent {
			if event.State(state) != event.TimeWait {
				used += d
			}
		}
	}
	return used / time.Duration(max(n, 1))
}

// stuck tells of ports held in a state that should pass, for at least so long.
func (c *court) stuck(s *stake, m *mix, state event.State, id ID, least float64, long time.Duration) {
	n, usable, age := m.states[state], c.usable(s.place), m.age(state)
	if age < long {
		n = 0
	}
	if past := s.spells[id]; past.peak() > n {
		n, age = past.peak(), past.lengths.quantile(0.5)
	}
	if n < few || share(n, usable) < least {
		return
	}
	f := Finding{
		Severity: Warning,
		Evidence: []Number{
			{"ports", float64(n)},
			{"in_use", float64(max(n, s.place.inUse()))},
			{"usable", float64(usable)},
			{"median_age_ns", float64(age)},
		},
	}
	what := fmt.Sprintf("%s ports %s, half of them for over %s%s", grouped(n), where(s.place.key), rough(age), by(s))
	switch id {
	case SynSentPileup:
		f.Title = "no answer to connect(): SYN_SENT holds " + what
		f.Evidence = append(f.Evidence, Number{"timed_out", float64(s.unanswered)})
		f.Remedy = "see whether the destination is up and lets this host through; give connect() a timeout of seconds in the program, " +
			"or lower net.ipv4.tcp_syn_retries (6 means 131 s; applies to every connect() of the namespace); stop retrying at once"
	case LeakCloseWait:
		f.Title = "the peer has closed, the program has not: CLOSE_WAIT holds " + what
		f.Remedy = "a bug in the program: it does not close() after it read the end of the stream (also in a library's pool that keeps dead connections); restarting it frees the ports"
	case FinWait2Orphans:
		f.Title = "closed here, not by the peer: FIN_WAIT2 holds " + what
		f.Remedy = "have the peer close() when it reads the end of the stream; lower net.ipv4.tcp_fin_timeout (60 s; for all of the namespace, too low a value cuts slow peers off)"
	}
	c.putOf(id, s, scored{Finding: f, weight: share(n, max(n, s.place.inUse())), size: n})
}

// putOf adds a finding about what a party does in a pool.
func (c *court) putOf(id ID, s *stake, f scored) {
	key := s.place.key
	f.Pool, f.netns, f.proto, f.Culprit = &key, key.NetNS, key.Proto, s.culprit()
	c.add(mark{id: id, pool: key, who: s.party}, f)
}
