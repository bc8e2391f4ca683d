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
	netns  memo[namespace]
}

// namespace is where a hold is.
type namespace struct {
	inode uint32
	name  lifetime.Interned[string]
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
	var port uint64
	var ns namespace
	var dst destination
	if !(f.literal(`,"id":`) && f.known(&h.ID, 64) &&
		f.namespace(&ns) && f.proto(&h.Proto) &&
		f.literal(`,"port":`) && f.known(&port, 16) &&
		f.src(&h.Src) && f.dst(&dst) &&
		f.literal(`,"assigned":`) && f.wall(&h.Assigned)) {
		return false
	}
	h.NetNS, h.NetNSName, h.Port = ns.inode, ns.name, uint16(port)
	h.Dst, h.Path = dst.AddrPort, dst.path
	if typ != lifetime.Assign {
		return true
	}
	return f.literal(`,"search_ns":`) && (f.literal(`null`) || f.duration(&h.Search))
}

// namespace reads up to the protocol's value: what is between tells a namespace without
// a name from one with.
func (f *fastLine) namespace(ns *namespace) bool {
	const key = `,"netns":`
	start := f.i
	m := f.netns.at(f.b[start:], len(key)+2, len(key)+10) // of ten digits, those that differ
	if f.recall(m.find(f.b[start:], ns)) {
		return true
	}
	var inode uint64
	var name string
	ok := f.literal(key) && f.known(&inode, 32) && f.optional(`,"netns_name":`, &name) && f.literal(`,"proto":`)
	*ns = namespace{uint32(inode), lifetime.Intern(name)}
	m.keep(f.b[start:f.i], ns, ok)
	return ok
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

// recall goes past a part that is remembered.
func (f *fastLine) recall(n int) bool {
	f.i += n
	return n > 0
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
