package report

import (
	"porttrace/internal/event"
	"porttrace/internal/ktime"
	"porttrace/internal/lifetime"
)

// comebacks watches how soon ports that nobody holds are assigned again, and to whom, in
// one recording. It is about port numbers in a namespace: a port that connects share is
// free when the last of them has gone.
type comebacks struct {
	pages map[pageKey]*page
}

// pagePorts ports are kept together: the kernel gives out neighbours.
const pagePorts = 64

// maxPages bounds memory at 64 MB: 4 million ports, as of 148 namespaces that each used
// all of the default range.
const maxPages = 1 << 16

type pageKey struct {
	netns uint32
	proto event.Proto
	page  uint16
}

type page [pagePorts]struct {
	freed   ktime.Wall // when it became free; 0: never seen held and released
	pid     uint32     // of the last owner to leave; 0: unknown
	holders uint32     // now
}

// Comebacks says how soon ports came back.
type Comebacks struct {
	SameProcess   Spread // the gap between release and assign, where the owner is the same
	OtherProcess  Spread
	UnknownOwner  Spread // either owner is not known
	HandedOver    uint64 // of all these, ports taken over out of TIME_WAIT: no gap at all
	Shared        uint64 // assigned while another connection held the same number
	First         uint64 // assigned for the first time in a recording
	NotWatched    uint64 // assigns past the ports that fit into memory
	sameProcess   distribution
	otherProcess  distribution
	unknownOwners distribution
}

func (c *comebacks) port(h *lifetime.Hold, add bool) (p *page, i uint16) {
	key := pageKey{h.NetNS, h.Proto, h.Port / pagePorts}
	p = c.pages[key]
	if p == nil && add && len(c.pages) < maxPages {
		if c.pages == nil {
			c.pages = map[pageKey]*page{}
		}
		p = new(page)
		c.pages[key] = p
	}
	return p, h.Port % pagePorts
}

// assign takes a hold that began, at a known time if it was assigned in sight.
func (c *comebacks) assign(h *lifetime.Hold, assigned ktime.Wall, to *Comebacks) {
	p, i := c.port(h, true)
	switch {
	case p == nil:
		if assigned != 0 {
			to.NotWatched++
		}
		return
	case assigned == 0:
	case p[i].holders > 0:
		to.Shared++
	case p[i].freed == 0:
		to.First++
	default:
		to.add(h.Owner.PID, p[i].pid, assigned-p[i].freed)
	}
	p[i].holders++
}

func (c *comebacks) release(h *lifetime.Hold, at ktime.Wall) {
	p, i := c.port(h, false)
	if p == nil || p[i].holders == 0 {
		return
	}
	if p[i].holders--; p[i].holders == 0 {
		p[i].freed, p[i].pid = at, h.Owner.PID
	}
}

func (c *Comebacks) add(pid, last uint32, gap ktime.Wall) {
	to := &c.otherProcess
	switch {
	case pid == 0 || last == 0:
		to = &c.unknownOwners
	case pid == last:
		to = &c.sameProcess
	}
	to.add(gap.Sub(0))
	if gap <= 0 {
		c.HandedOver++
	}
}

func (c *Comebacks) settle() {
	c.SameProcess, c.OtherProcess, c.UnknownOwner = c.sameProcess.spread(), c.otherProcess.spread(), c.unknownOwners.spread()
}
