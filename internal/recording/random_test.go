package recording

import (
	"math"
	"math/rand/v2"
	"net/netip"
	"strings"
	"time"

	"porttrace/internal/event"
	"porttrace/internal/ktime"
	"porttrace/internal/lifetime"
)

// generator makes records that the schema keeps in full, so that reading one back
// gives the same one.
type generator struct{ *rand.Rand }

func newGenerator(seed uint64) generator {
	return generator{rand.New(rand.NewPCG(seed, seed))}
}

func (g generator) record(typ lifetime.Type) *lifetime.Record {
	r := &lifetime.Record{Type: typ, Time: g.wall()}
	switch typ {
	case lifetime.HeldAtStart, lifetime.Assign, lifetime.State, lifetime.Release, lifetime.HeldAtEnd:
		r.Hold = g.hold(typ)
		if typ == lifetime.Release {
			r.Reason = event.Reason(g.IntN(int(event.Vanished) + 1))
		}
	case lifetime.Start:
		r.Start = g.start()
	case lifetime.Failure:
		r.Failure = g.failure()
	case lifetime.Pool:
		r.Pool = &lifetime.PoolInfo{
			NetNS: g.Uint32(), Proto: g.proto(), Src: g.addr(), Dst: g.dst(),
			InUse: g.IntN(70000), Usable: g.IntN(70000), TimeWait: g.IntN(70000),
			AssignRate: g.float(), MeanHeld: g.orUnknown(), Exhausts: g.orUnknown(),
		}
	case lifetime.Lost:
		r.Lost = &lifetime.LostInfo{Events: g.count(), Where: g.text(), Reconciled: int64(g.orUnknown())}
	case lifetime.Clock:
		r.Clock = &lifetime.ClockInfo{From: r.Time/2 + g.wall()/4}
	case lifetime.Shed:
		r.Shed = &lifetime.ShedInfo{Limit: g.IntN(100), Used: g.float(), For: time.Duration(g.count() >> 1)}
		for range g.IntN(4) {
			r.Shed.What = append(r.Shed.What, g.text())
		}
	case lifetime.End:
		r.End = &lifetime.EndInfo{
			BeforeStart: g.count(), Assigned: g.count(), Released: g.count(), Held: g.count(),
			Failures: g.count(), Lost: g.count(), Reconciled: g.count(), Discrepancies: g.count(), Complete: g.maybe(),
		}
	}
	return r
}

func (g generator) hold(typ lifetime.Type) *lifetime.Hold {
	h := &lifetime.Hold{
		ID: g.count(), NetNS: g.Uint32(), NetNSName: g.name(), Proto: g.proto(), Port: uint16(g.Uint32()),
		Src: g.addr(), Dst: g.dst(), Path: event.Path(g.IntN(int(event.Explicit) + 1)),
		Search: -1, Owner: g.owner(),
	}
	if typ != lifetime.HeldAtStart {
		h.Assigned = g.wall()
	}
	if typ == lifetime.Assign {
		h.Search = g.orUnknown()
	}
	if typ == lifetime.HeldAtStart || typ == lifetime.State || typ == lifetime.HeldAtEnd {
		h.State = event.State(g.IntN(int(event.States)))
	}
	if typ == lifetime.Release || typ == lifetime.HeldAtEnd {
		for i := range h.States {
			if g.maybe() {
				h.States[i] = time.Duration(g.Int64N(1 << 55))
			}
		}
	}
	if typ == lifetime.Release {
		// What a reader can tell: a state of no time is the last one, else the furthest.
		h.State = event.State(g.IntN(int(event.States)))
		if h.States[h.State] != 0 {
			for i, d := range h.States {
				if d != 0 {
					h.State = event.State(i)
				}
			}
		}
	}
	return h
}

func (g generator) start() *lifetime.StartInfo {
	s := &lifetime.StartInfo{
		Schema: Schema, Part: g.IntN(3), Uptime: ktime.Time(g.count()), Version: g.text(), Host: g.text(), BootID: g.text(),
		Kernel: g.text(), Hooks: g.text(), Filter: g.text(),
	}
	for range g.IntN(4) {
		s.Pools = append(s.Pools, lifetime.Range{
			NetNS: g.Uint32(), Lo: uint16(g.Uint32()), Hi: uint16(g.Uint32()),
			Reserved: g.text(), Usable: g.IntN(70000),
		})
	}
	return s
}

func (g generator) failure() *lifetime.FailureInfo {
	f := &lifetime.FailureInfo{
		NetNS: g.Uint32(), NetNSName: g.name(), Proto: g.proto(), Path: event.Path(g.IntN(int(event.Explicit) + 1)),
		Src: g.addr(), Dst: g.dst(), Owner: g.owner(), Errno: g.text(), Cause: lifetime.Cause(g.text()),
		InUse: g.IntN(70000) - 1, Usable: g.IntN(70000) - 1,
	}
	if g.maybe() {
		f.Port, f.RangeLo, f.RangeHi = uint16(g.Uint32()), uint16(g.Uint32()), uint16(g.Uint32())
	}
	return f
}

func (g generator) owner() lifetime.Owner {
	if g.IntN(4) == 0 {
		return lifetime.Owner{}
	}
	o := lifetime.Owner{
		PID: 1 + g.Uint32N(math.MaxUint32), TID: g.Uint32(), UID: g.Uint32(), Comm: g.text(),
		Place: lifetime.Intern(lifetime.Place{Cgroup: g.text(), Container: g.text()}),
	}
	if g.maybe() {
		o.Place = lifetime.Intern(lifetime.Place{
			Cgroup: g.word(), Container: g.word(), Unit: g.word(), UserUnit: g.word(), Runtime: g.word(),
			ContainerName: g.word(), Pod: g.word(), PodNamespace: g.word(), PodUID: g.word(), QoS: g.word(),
		})
		o.Program = lifetime.Intern(lifetime.Program{Exe: g.word(), Cmdline: g.word()})
		o.User = lifetime.Intern(g.word())
	}
	return o
}

// word is mostly such that it needs no escape, which lines of many texts else all would.
func (g generator) word() string {
	if g.IntN(8) == 0 {
		return g.text()
	}
	return strings.Repeat(string(rune('a'+g.IntN(26))), g.IntN(20))
}

func (g generator) name() (name lifetime.Interned[string]) {
	if g.maybe() {
		name = lifetime.Intern(g.word())
	}
	return name
}

func (g generator) maybe() bool    { return g.IntN(2) == 0 }
func (g generator) count() uint64  { return g.Uint64() >> g.IntN(64) }
func (g generator) float() float64 { return math.Ldexp(g.Float64(), g.IntN(200)-100) }
func (g generator) wall() ktime.Wall {
	return ktime.Wall(g.Int64N(math.MaxInt64-2e9) * int64(1-2*g.IntN(2)))
}

func (g generator) proto() event.Proto {
	return [...]event.Proto{0, event.TCP, event.UDP}[g.IntN(3)]
}

func (g generator) orUnknown() time.Duration {
	if g.maybe() {
		return -1
	}
	return time.Duration(g.count() >> 1)
}

func (g generator) addr() netip.Addr {
	var b [16]byte
	for i := range b {
		b[i] = byte(g.Uint32())
	}
	switch g.IntN(4) {
	case 0:
		return netip.Addr{}
	case 1:
		return netip.AddrFrom16(b)
	}
	return netip.AddrFrom4([4]byte(b[:4]))
}

func (g generator) dst() netip.AddrPort {
	return netip.AddrPortFrom(g.addr(), uint16(g.Uint32()))
}

// text mixes plain text, valid characters of all lengths and any bytes.
func (g generator) text() string {
	var b []byte
	for range g.IntN(12) {
		switch g.IntN(4) {
		case 0:
			b = append(b, byte(g.Uint32()))
		case 1:
			b = append(b, string(rune(g.IntN(0x110000)))...)
		case 2:
			b = append(b, hostile[g.IntN(len(hostile))]...)
		default:
			b = append(b, byte(' '+g.IntN(95)))
		}
	}
	return string(b)
}

var hostile = []string{
	"plain", "\"}\n{\"type\":\"end\"}", "\x1b]0;owned\a\x1b[2J", "back\\slash\\u0041\\", "tab\tcr\rlf\n",
	"\xff\xfe", "\xed\xb2\x80", "\xed\xa0\x80", "\xc0\xaf", "half \xf0\x9f\x98", "\u2028\u2029\u0085\u009b31m\x7f",
	"😀😀😀...", "\ufffd", "\x00", "\xf4\x90\x80\x80", "\U0010ffff", `\udc80`, "<script>&amp;</script>", "é€𝄞", "\xe2\x82", "\xac",
}
