package recording

import (
	"net/netip"

	"porttrace/internal/event"
	"porttrace/internal/lifetime"
)

// fastLine reads lines about holds that are laid out byte for byte as AppendRecord does:
// nearly all lines there are. It takes nothing that the scanner would not take, and
// tells the same of it; whatever looks different in any way, be it an escape in a
// name, it leaves to the scanner. A test holds it to both.
//
// Its methods read one token each at i. Those that return false may have moved i: the
// line is given up.
type fastLine struct {
	b      []byte
	i      int
	texts  *texts
	days   [4]day
	srcs   memo[netip.Addr]
	dsts   memo[destination]
	owners memo[lifetime.Owner]
}

// destination is what the connections of one kind share.
type destination struct {
	netip.AddrPort
	path event.Path
}

// read puts what the line that b begins with says into r and h, which it clears first,
// and returns how long the line is, or 0. Only if b is known to be whole need the line
// not end in a newline.
func (f *fastLine) read(b []byte, whole bool, r *lifetime.Record, h *lifetime.Hold) int {
	f.b, f.i = b, 0
	*r = lifetime.Record{Hold: h}
	*h = lifetime.Hold{Search: -1}
	if !f.head(r) || !f.hold(r.Type, h) || !f.owner(&h.Owner) || !f.rest(r, h) {
		return 0
	}
	if f.literal("}\n") || whole && f.literal("}") && f.i == len(b) {
		return f.i
	}
	return 0
}

// head reads the type and the time.
func (f *fastLine) head(r *lifetime.Record) bool {
	switch {
	case f.literal(`{"type":"release","time":`):
		r.Type = lifetime.Release
	case f.literal(`{"type":"assign","time":`):
		r.Type = lifetime.Assign
	case f.literal(`{"type":"state","time":`):
		r.Type = lifetime.State
	case f.literal(`{"type":"held","time":`):
		r.Type = lifetime.HeldAtStart // or at the end
	default:
		return false
	}
	if !f.wall(&r.Time) {
		return false
	}
	if r.Type != lifetime.HeldAtStart || f.literal(`,"at":"start"`) {
		return true
	}
	r.Type = lifetime.HeldAtEnd
	return f.literal(`,"at":"end"`)
}

func (f *fastLine) hold(typ lifetime.Type, h *lifetime.Hold) bool {
	var netns, port uint64
	var dst destination
	if !(f.literal(`,"id":`) && f.known(&h.ID, 64) &&
		f.literal(`,"netns":`) && f.known(&netns, 32) &&
		f.literal(`,"proto":`) && f.proto(&h.Proto) &&
		f.literal(`,"port":`) && f.known(&port, 16) &&
		f.src(&h.Src) && f.dst(&dst) &&
		f.literal(`,"assigned":`) && f.wall(&h.Assigned)) {
		return false
	}
	h.NetNS, h.Port = uint32(netns), uint16(port)
	h.Dst, h.Path = dst.AddrPort, dst.path
	if typ != lifetime.Assign {
		return true
	}
	return f.literal(`,"search_ns":`) && (f.literal(`null`) || f.duration(&h.Search))
}

func (f *fastLine) src(a *netip.Addr) bool {
	const key = `,"src":"`
	start := f.i
	m := f.srcs.at(f.b[start:], len(key), len(key)+16)
	if f.recall(m.find(f.b[start:], a)) {
		return true
	}
	ok := f.literal(key[:len(key)-1]) && f.addr(a)
	m.keep(f.b[start:f.i], a, ok)
	return ok
}

func (f *fastLine) dst(d *destination) bool {
	const key = `,"dst":"`
	start := f.i
	m := f.dsts.at(f.b[start:], len(key), len(key)+40)
	if f.recall(m.find(f.b[start:], d)) {
		return true
	}
	var a netip.Addr
	var port uint64
	ok := f.literal(key[:len(key)-1]) && f.addr(&a) &&
		f.literal(`,"dst_port":`) && f.known(&port, 16) &&
		f.literal(`,"path":`) && f.path(&d.path)
	d.AddrPort = netip.AddrPortFrom(a, uint16(port))
	m.keep(f.b[start:f.i], d, ok)
	return ok
}

func (f *fastLine) owner(o *lifetime.Owner) bool {
	start := f.i
	const key = `,"pid":`
	m := f.owners.at(f.b[start:], len(key), len(key)+40)
	if f.recall(m.find(f.b[start:], o)) {
		return true
	}
	ok := f.readOwner(o)
	m.keep(f.b[start:f.i], o, ok)
	return ok
}

// recall goes past a part that is remembered.
func (f *fastLine) recall(n int) bool {
	f.i += n
	return n > 0
}

func (f *fastLine) readOwner(o *lifetime.Owner) bool {
	if f.literal(`,"pid":null,"tid":null,"comm":null,"uid":null,"cgroup":null,"container":null`) {
		return true
	}
	var pid, tid, uid uint64
	if !(f.literal(`,"pid":`) && f.number(&pid, 32) && pid != 0 &&
		f.literal(`,"tid":`) && f.known(&tid, 32) &&
		f.literal(`,"comm":`) && f.text(&o.Comm) &&
		f.literal(`,"uid":`) && f.number(&uid, 32) &&
		f.literal(`,"cgroup":`) && f.text(&o.Cgroup) &&
		f.literal(`,"container":`) && f.text(&o.Container)) {
		return false
	}
	o.PID, o.TID, o.UID = uint32(pid), uint32(tid), uint32(uid)
	return true
}

// rest reads what follows the owner, by type.
func (f *fastLine) rest(r *lifetime.Record, h *lifetime.Hold) bool {
	switch r.Type {
	case lifetime.Release:
		released := r.Time // which it equals: not kept
		return f.literal(`,"released":`) && f.wall(&released) && f.states(h, &h.State) &&
			f.literal(`,"reason":`) && f.reason(&r.Reason)
	case lifetime.HeldAtEnd:
		var last event.State // the line tells it by itself
		return f.literal(`,"state":`) && f.state(&h.State) && f.states(h, &last)
	case lifetime.State, lifetime.HeldAtStart:
		return f.literal(`,"state":`) && f.state(&h.State)
	}
	return true
}

// states reads held_ns and the states, each at most once and in their order; the last
// one is told as decoder.states does.
func (f *fastLine) states(h *lifetime.Hold, last *event.State) bool {
	var held uint64 // the sum of states
	if !f.literal(`,"held_ns":`) || !f.number(&held, 63) || !f.literal(`,"states":{`) {
		return false
	}
	zero := false
	for s := range event.States {
		if !f.literal(stateKeys[s]) {
			continue
		}
		if !f.duration(&h.States[s]) {
			return false
		}
		if h.States[s] == 0 {
			*last, zero = s, true
		} else if !zero {
			*last = s
		}
		if !f.literal(`,`) {
			return f.literal(`}`)
		}
	}
	return false
}
