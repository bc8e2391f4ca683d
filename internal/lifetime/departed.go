package lifetime

import (
	"net/netip"
	"time"

	"porttrace/internal/event"
	"porttrace/internal/ktime"
)

// departed remembers connections that were told as over while a mini-socket may have taken
// over from them: where no hook sees its birth, the socket's close() looks like the end.
// These are few, as a mini-socket that was seen goes on with its hold.
type departed struct {
	recent, before map[connection]struct{}
	turned         ktime.Time
}

type connection struct {
	netns    uint32
	src, dst netip.AddrPort
}

const (
	// departure is how long one is remembered at least: an audit comes twice in that time.
	departure = time.Minute
	// departures bounds how many are, of either minute.
	departures = 1 << 12
)

func connectionOf(h *Hold) connection {
	return connection{h.NetNS, netip.AddrPortFrom(h.Src, h.Port), h.Dst}
}

func (d *departed) note(h *Hold, at ktime.Time) {
	if h.Proto != event.TCP || h.State != event.FinWait1 && h.State != event.FinWait2 && h.State != event.Closing {
		return
	}
	d.turn(at)
	if d.recent == nil {
		d.recent = map[connection]struct{}{}
	}
	if len(d.recent) < departures {
		d.recent[connectionOf(h)] = struct{}{}
	}
}

func (d *departed) turn(now ktime.Time) {
	if now < d.turned.Add(departure) {
		return
	}
	d.recent, d.before = nil, d.recent
	d.turned = now
}

func (d *departed) has(h *Hold) bool {
	c := connectionOf(h)
	_, recent := d.recent[c]
	_, before := d.before[c]
	return recent || before
}
