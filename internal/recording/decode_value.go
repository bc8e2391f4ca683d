package recording

import (
	"errors"
	"math"
	"net/netip"
	"time"

	"porttrace/internal/event"
	"porttrace/internal/ktime"
	"porttrace/internal/lifetime"
)

// tuple is what holds, failures and pools share.
type tuple struct {
	netns    uint32
	proto    event.Proto
	src, dst netip.Addr
	dstPort  uint16
}

func (d *decoder) tuple(key []byte, t *tuple) bool {
	switch string(key) {
	case "netns":
		t.netns = uint32(d.s.uint(32))
	case "proto":
		t.proto = protoByName[string(d.s.bytes())]
	case "src":
		t.src = d.addr()
	case "dst":
		t.dst = d.addr()
	case "dst_port":
		t.dstPort = uint16(d.s.uint(16))
	default:
		return false
	}
	return true
}

type owner struct {
	lifetime.Owner
	uid bool // known
}

func (d *decoder) owner(key []byte, o *owner) bool {
	switch string(key) {
	case "pid":
		o.PID = uint32(d.s.uint(32))
	case "tid":
		o.TID = uint32(d.s.uint(32))
	case "comm":
		o.Comm = d.text()
	case "uid":
		o.uid = !d.s.null()
		if o.uid {
			o.UID = uint32(d.s.uint(32))
		}
	case "cgroup":
		o.Cgroup = d.text()
	case "container":
		o.Container = d.text()
	default:
		return false
	}
	return true
}

func (o *owner) known() (lifetime.Owner, error) {
	if o.PID == 0 {
		return lifetime.Owner{}, nil
	}
	if !o.uid {
		// Read as 0 it would accuse root.
		return lifetime.Owner{}, errors.New("a pid without a uid")
	}
	return o.Owner, nil
}

// maxAddrs bounds the addresses that the scanner's path remembers; netip cannot read
// one without allocating.
const maxAddrs = 1 << 12

func (d *decoder) addr() netip.Addr {
	b := d.s.bytes()
	if d.s.err != nil || len(b) == 0 {
		return netip.Addr{}
	}
	if a, ok := d.addrs[string(b)]; ok {
		return a
	}
	a, err := netip.ParseAddr(string(b))
	if err != nil {
		d.s.fail("%q is no IP address", b)
		return netip.Addr{}
	}
	if d.addrs == nil || len(d.addrs) >= maxAddrs {
		d.addrs = make(map[string]netip.Addr)
	}
	if len(b) <= len("ffff:ffff:ffff:ffff:ffff:ffff:255.255.255.255") {
		d.addrs[string(b)] = a.Unmap().WithZone("")
	}
	return a.Unmap().WithZone("")
}

func (d *decoder) wall() ktime.Wall {
	b := d.s.bytes()
	if d.s.err != nil || len(b) == 0 {
		return 0
	}
	var t time.Time
	if err := t.UnmarshalText(b); err != nil {
		d.s.fail("%q is no time as of RFC 3339", b)
		return 0
	}
	if !inWall(t.Unix()) {
		d.s.fail("%q is out of range", b)
		return 0
	}
	return ktime.Wall(t.UnixNano())
}

// inWall tells whether all of a second since 1970 can be told in nanoseconds.
func inWall(sec int64) bool {
	return sec > math.MinInt64/int64(time.Second) && sec < math.MaxInt64/int64(time.Second)
}

// text reads a string of others.
func (d *decoder) text() string { return d.texts.share(d.s.bytes()) }
