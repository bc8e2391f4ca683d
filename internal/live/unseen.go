package live

import (
	"errors"
	"os"
	"time"

	"porttrace/internal/event"
	"porttrace/internal/ktime"
	"porttrace/internal/netns"
	"porttrace/internal/probe"
)

// unseen remembers where something happens that no hook of the stable set can see, so
// that an iterator looks there a moment later: a UDP connect() that chooses a port, and
// a mini-socket that goes from FIN_WAIT2 to TIME_WAIT. Most are over by then, told by
// the hook that ends them, and cost nothing.
type unseen struct {
	places map[place]ktime.Time // when to look
}

type place struct {
	netns uint32
	pid   uint32 // of a process likely to be in it
	proto event.Proto
}

// A look comes so long after the first event, for all that follow meanwhile.
const lookDelay = 50 * time.Millisecond

func (u *unseen) note(e *event.Event, states bool) {
	tw := states && e.Kind == event.Entered && e.Hold.State == event.FinWait2
	if e.Kind != event.Pending && !tw {
		return
	}
	if u.places == nil {
		u.places = map[place]ktime.Time{}
	}
	at := place{e.Hold.NetNS, e.Hold.Owner.PID, e.Hold.Proto}
	if _, ok := u.places[at]; !ok {
		u.places[at] = e.Time.Add(lookDelay)
	}
}

func (u *unseen) look(p *probe.Probe, now ktime.Time, handle func(*event.Event)) error {
	if len(u.places) == 0 {
		return nil
	}
	looked := map[place]bool{}
	for at, when := range u.places {
		if now < when {
			continue
		}
		delete(u.places, at)
		where := place{netns: at.netns, proto: at.proto}
		if looked[where] {
			continue
		}
		ns, ok := find(at)
		if !ok {
			continue // gone, or out of reach: the hook that ends the hold will tell
		}
		looked[where] = true
		lookAt := p.LookTCP
		if at.proto == event.UDP {
			lookAt = p.LookUDP
		}
		if err := lookAt(ns, handle); err != nil && !errors.Is(err, os.ErrNotExist) {
			return err
		}
	}
	return nil
}

func find(at place) (netns.NS, bool) {
	if ns, err := netns.OfProcess(at.pid); err == nil && ns.Inode == at.netns {
		return ns, true
	}
	all, err := netns.List()
	if err != nil {
		return netns.NS{}, false
	}
	for _, ns := range all {
		if ns.Inode == at.netns {
			return ns, true
		}
	}
	return netns.NS{}, false
}
