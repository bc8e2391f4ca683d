package diagnose

import (
	"porttrace/internal/event"
	"porttrace/internal/lifetime"
)

// fixedPort is a port that a program asks for by number.
type fixedPort struct {
	netns uint32
	proto event.Proto
	port  uint16
}

// giveaway is what happens to such a port: others get it from the kernel while its
// owner does not have it.
type giveaway struct {
	owner suspect // who asks for it
	taker suspect // who got it last
	held  int     // by its owner, now
	given int     // times
	asked int     // times, by its owner
	heard bool    // its owner listened on it
}

// isService says whether the port is one that is wanted again: a number that somebody
// asked for once says little.
func (g *giveaway) isService() bool { return g.heard || g.asked > 1 }

// takeFixed follows a port that its owner asked for, or got though another asks for it.
func (e *Engine) takeFixed(h *lifetime.Hold) {
	k := fixedPort{h.NetNS, h.Proto, h.Port}
	g := e.fixed[k]
	switch {
	case h.Path == event.Explicit:
		if g == nil && len(e.fixed) >= maxFixed {
			e.sweepFixed()
		}
		if g == nil && len(e.fixed) < maxFixed {
			g = &giveaway{}
			e.fixed[k] = g
		}
		if g != nil {
			g.owner, g.held, g.asked = suspect{e.party(&h.Owner), h.Owner.PID, true}, g.held+1, g.asked+1
		}
	case g != nil && g.held == 0:
		g.taker, g.given = suspect{e.party(&h.Owner), h.Owner.PID, true}, g.given+1
	}
}

func (e *Engine) releaseFixed(h *lifetime.Hold) {
	if g := e.fixed[fixedPort{h.NetNS, h.Proto, h.Port}]; g != nil && h.Path == event.Explicit {
		g.held = max(g.held-1, 0)
		g.heard = g.heard || h.States[event.Listening] > 0
	}
}
