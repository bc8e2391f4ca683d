package diagnose

import (
	"fmt"
	"time"

	"porttrace/internal/event"
	"porttrace/internal/lifetime"
	"porttrace/internal/pool"
)

// usual is the number of ports in the range that Linux begins with, 32768 to 60999.
const usual = 60999 - 32768 + 1

// searching tells that connect() searches long, as it does past half of the range: the
// even ports are gone, and every one of them is tried before the odd ones.
func (c *court) searching(p *place) {
	if p.searches == nil || p.key.Proto != event.TCP || p.searches[1].n < 50 {
		return
	}
	below, above := &p.searches[0], &p.searches[1]
	slow, fast := above.quantile(0.5), below.quantile(0.5)
	if slow < 50*time.Microsecond || below.n >= 50 && slow < 8*fast {
		return
	}
	top := p.main(func(s *stake) int { return s.live })
	c.put(SearchCliff, p, top, scored{Finding: Finding{
		Severity: Warning,
		Title: fmt.Sprintf("past half of the ports connect() searches long %s: %s and more for half of the searches, %s for one in a hundred, %s before",
			where(p.key), rough(slow), rough(above.quantile(0.99)), rough(fast)),
		Evidence: []Number{
			{"search_p50_ns", float64(slow)},
			{"search_p99_ns", float64(above.quantile(0.99))},
			{"search_p50_below_half_ns", float64(fast)},
			{"searches", float64(above.n)},
			{"in_use", float64(p.inUse())},
			{"usable", float64(c.usable(p))},
		},
		Remedy: "stay below half of the range: widen net.ipv4.ip_local_port_range, spread over more source addresses, or keep connections open; the CPU goes to the kernel, in connect()",
	}, weight: 0.2, size: above.n})
}

// domain is a namespace's ports of one protocol.
type domain struct {
	netns uint32
	proto event.Proto
}

// strain is how hard it is put to it.
type strain struct {
	use      float64 // of its fullest pool
	place    *place
	reserved *failed // connect() failed for all ports are reserved
	poison   int
	poisoner *stake
	fixed    int // ports in the range that programs asked for by number
	hidden   int // ports that are taken, and no hold tells by whom
}

// namespaces tells what concerns all pools of a namespace.
func (c *court) namespaces() {
	strains := map[domain]*strain{}
	at := func(p *place) *strain {
		d := domain{p.key.NetNS, p.key.Proto}
		if strains[d] == nil {
			strains[d] = &strain{}
		}
		return strains[d]
	}
	for _, p := range c.places {
		s := at(p)
		if use := p.stressed(); use > s.use || s.place == nil {
			s.use, s.place = use, p
		}
		if f := p.failures[lifetime.RangeReserved]; f != nil {
			s.reserved = f
		}
		if f := p.failures[lifetime.RangeExhausted]; f != nil && f.worst.InUse >= 0 && p.key.Dst.IsValid() {
			s.hidden = max(s.hidden, f.worst.Usable-f.worst.InUse)
		}
		for _, stake := range p.stakes {
			if n := c.poison(stake); n > 0 {
				s.poison += n
				if s.poisoner == nil || n > c.poison(s.poisoner) {
					s.poisoner = stake
				}
			}
		}
	}
	for _, h := range c.holds {
		if h.path == event.Explicit && !h.outside {
			at(h.stake.place).fixed++
		}
	}
	for d, s := range strains {
		c.poisoned(d, s)
		c.rangeCut(d, s)
	}
}

// poison is how many ports a party took by bind() before connect(), at most at a time.
func (c *court) poison(s *stake) int {
	n := 0
	if m := c.mixes[s]; m != nil {
		n = m.poison
	}
	return max(n, s.spells[Poisoned].peak())
}

// poisoned: bind(addr, 0) and then connect() takes its port from everybody's connect().
func (c *court) poisoned(d domain, s *strain) {
	whole := c.ranges[d.netns].Usable
	if s.use < busy || s.poison < few || share(s.poison, whole) < leakShare {
		return
	}
	key := s.poisoner.place.key
	c.add(mark{id: Poisoned, pool: pool.Key{NetNS: d.netns, Proto: d.proto}}, scored{Finding: Finding{
		Severity: Warning,
		Title: fmt.Sprintf("%s ports are taken by bind(addr, 0) before connect(): no connect() in this namespace may share them, whatever its destination%s",
			grouped(s.poison), by(s.poisoner)),
		Culprit: s.poisoner.culprit(),
		Pool:    &key,
		Evidence: []Number{
			{"poisoned", float64(s.poison)},
			{"range_usable", float64(whole)},
			{"left_for_connect", float64(max(whole-s.poison, 0))},
		},
		Remedy: "set IP_BIND_ADDRESS_NO_PORT on the socket before bind(addr, 0) (nginx proxy_bind and HAProxy source do so by themselves): the address is fixed, and connect() chooses a port that other destinations may share",
	}, weight: share(s.poison, whole) + 0.05, size: s.poison, netns: d.netns, proto: d.proto})
}

// rangeCut: the range is small, or cut by what is reserved or bound inside.
func (c *court) rangeCut(d domain, s *strain) {
	rng, known := c.ranges[d.netns]
	size := int(rng.Hi) - int(rng.Lo) + 1
	usable := rng.Usable - s.fixed
	if 10*s.hidden < rng.Usable || s.hidden < few { // else it is what came and went meanwhile
		s.hidden = 0
	}
	if !known || s.use < 0.8 || s.hidden == 0 && 10*usable >= 7*usual && (10*usable >= 9*size || usable >= usual) {
		return
	}
	weight := max(0.45*(1-share(usable, usual)), share(s.hidden, rng.Usable))
	if s.reserved != nil {
		weight = 1
	}
	key := s.place.key
	evidence := []Number{
		{"range_lo", float64(rng.Lo)},
		{"range_hi", float64(rng.Hi)},
		{"reserved", float64(size - rng.Usable)},
		{"bound", float64(s.fixed)},
		{"usable", float64(max(usable, 0))},
	}
	hidden := ""
	if s.hidden > 0 {
		evidence = append(evidence, Number{"not_traced", float64(s.hidden)})
		hidden = fmt.Sprintf(", and %s are taken by what is not traced (--explicit shows ports that programs ask for by number)", grouped(s.hidden))
	}
	c.add(mark{id: RangeCut, pool: pool.Key{NetNS: d.netns, Proto: d.proto}}, scored{Finding: Finding{
		Severity: Warning,
		Title: fmt.Sprintf("the range %d-%d offers %s (Linux begins with %s): %s are reserved, %s are bound by number%s",
			rng.Lo, rng.Hi, portCount(max(usable, 0)), grouped(usual), grouped(size-rng.Usable), grouped(s.fixed), hidden),
		Pool:     &key,
		Evidence: evidence,
		Remedy:   "widen net.ipv4.ip_local_port_range, for example to 10240-65535 (first put ports that services listen on inside it into ip_local_reserved_ports, else the kernel gives them away), or shorten ip_local_reserved_ports; both are per network namespace",
	}, weight: weight, size: int(1000 * weight), netns: d.netns, proto: d.proto})
}

// givenAway: a port that a program asks for by number goes to others while it is away.
func (c *court) givenAway() {
	for k, g := range c.fixed {
		rng, known := c.ranges[k.netns]
		if g.given == 0 || !g.isService() || !known || k.port < rng.Lo || k.port > rng.Hi {
			continue
		}
		key := pool.Key{NetNS: k.netns, Proto: k.proto}
		taker := ""
		if g.taker.isKnown() {
			taker = ", last to " + g.taker.name()
		}
		title := fmt.Sprintf("port %d, which programs ask for by number, was given away %d times by the kernel%s", k.port, g.given, taker)
		if g.owner.isKnown() {
			title += "; it is wanted by " + g.owner.name()
		}
		c.add(mark{id: FixedPortLost, pool: key, who: g.owner.party}, scored{Finding: Finding{
			Severity: Warning, Title: title, Culprit: g.taker.culprit(), Pool: &key,
			Evidence: []Number{{"port", float64(k.port)}, {"given_away", float64(g.given)}},
			Remedy:   fmt.Sprintf("add %d to net.ipv4.ip_local_reserved_ports (keep what is there: writing replaces it), or let the service listen outside %d-%d", k.port, rng.Lo, rng.Hi),
		}, weight: 0.3, size: g.given, netns: k.netns, proto: k.proto})
	}
}
