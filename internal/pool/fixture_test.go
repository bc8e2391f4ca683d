package pool

import (
	"net/netip"
	"testing"
	"time"

	"porttrace/internal/event"
	"porttrace/internal/ktime"
	"porttrace/internal/lifetime"
	"porttrace/internal/netns"
)

const home = 1234567 // the made-up namespace

// second is when the traces of these tests begin, any time after 1970.
const second = ktime.Wall(time.Second)

var (
	anyAddr = netip.MustParseAddr("0.0.0.0")
	any6    = netip.MustParseAddr("::")
	here    = netip.MustParseAddr("10.0.0.1")
	other   = netip.MustParseAddr("10.0.0.2")
	here6   = netip.MustParseAddr("2001:db8::1")
	server  = netip.MustParseAddrPort("192.0.2.1:443")
	server2 = netip.MustParseAddrPort("192.0.2.2:443")
)

// held is a made-up held set.
type held []*lifetime.Hold

func (h *held) Each(f func(*lifetime.Hold)) {
	for _, hold := range *h {
		f(hold)
	}
}

// add puts n holds on ports from first on.
func (h *held) add(n int, first uint16, like lifetime.Hold) {
	for i := range n {
		hold := like
		hold.ID, hold.NetNS, hold.Port = uint64(len(*h)+1), home, first+uint16(i)
		*h = append(*h, &hold)
	}
}

func connectTo(dst netip.AddrPort) lifetime.Hold {
	return lifetime.Hold{Proto: event.TCP, Path: event.Connect, Src: here, Dst: dst, State: event.Established, Assigned: 1}
}

func bound(proto event.Proto, src netip.Addr) lifetime.Hold {
	return lifetime.Hold{Proto: proto, Path: event.Bind, Src: src, State: event.Bound, Assigned: 1}
}

func inTimeWait(h lifetime.Hold) lifetime.Hold {
	h.State = event.TimeWait
	return h
}

// rangesOf returns a memory that knows one range and needs no kernel.
func rangesOf(t *testing.T, limits, reserved string) *Ranges {
	t.Helper()
	rng, err := parseRange(limits, reserved)
	if err != nil {
		t.Fatal(err)
	}
	rng.NetNS = home
	at := time.Unix(1, 0)
	local := map[netip.Addr]bool{here: true, other: false, here6: true}
	return &Ranges{
		now:   func() time.Time { return at },
		known: map[uint32]*remembered{home: {rng: rng, ns: netns.NS{Inode: home}, read: at, lasts: retry, local: local}},
	}
}

// desk is a book with what it tells.
type desk struct {
	*Book
	held held
	told []lifetime.Record
}

// newDesk has 1000 ports, 40000 to 40999.
func newDesk(t *testing.T, complete bool) *desk {
	d := &desk{}
	d.Book = NewBook(rangesOf(t, "40000 40999", ""), &d.held, complete, second)
	return d
}

func (d *desk) next(r *lifetime.Record) { d.told = append(d.told, *r) }

// pools returns what was told of pools, and forgets it.
func (d *desk) pools() []*lifetime.PoolInfo {
	var infos []*lifetime.PoolInfo
	for _, r := range d.told {
		if r.Type == lifetime.Pool {
			infos = append(infos, r.Pool)
		}
	}
	d.told = nil
	return infos
}

// assign takes n ports at a time.
func (d *desk) assign(at ktime.Wall, n int, first uint16, like lifetime.Hold) {
	d.held.add(n, first, like)
	for _, h := range d.held[len(d.held)-n:] {
		d.Observe(&lifetime.Record{Type: lifetime.Assign, Time: at, Hold: h}, d.next)
	}
}

// release puts the n oldest ports back, each after a time.
func (d *desk) release(at ktime.Wall, n int, after time.Duration) {
	for range n {
		h := d.held[0]
		h.States[h.State] = after
		d.Observe(&lifetime.Record{Type: lifetime.Release, Time: at, Hold: h}, d.next)
		d.held = d.held[1:]
	}
}

// fail lets a search find nothing and returns the failure as it was told.
func (d *desk) fail(at ktime.Wall, f lifetime.FailureInfo) *lifetime.FailureInfo {
	f.NetNS, f.InUse, f.Usable = home, -1, -1
	d.Observe(&lifetime.Record{Type: lifetime.Failure, Time: at, Failure: &f}, d.next)
	return &f
}

func noPortTo(dst netip.AddrPort) lifetime.FailureInfo {
	return lifetime.FailureInfo{Proto: event.TCP, Path: event.Connect, Src: here, Dst: dst, Errno: "EADDRNOTAVAIL"}
}

func noPortOn(proto event.Proto, src netip.Addr) lifetime.FailureInfo {
	return lifetime.FailureInfo{Proto: proto, Path: event.Bind, Src: src, Errno: "EADDRINUSE"}
}

func keyTo(dst netip.AddrPort) Key { return Key{NetNS: home, Proto: event.TCP, Src: here, Dst: dst} }

func keyOn(proto event.Proto, src netip.Addr) Key { return Key{NetNS: home, Proto: proto, Src: src} }
