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
	name     string // of netns
	proto    event.Proto
	src, dst netip.Addr
	dstPort  uint16
}

func (d *decoder) tuple(key []byte, t *tuple) bool {
	switch string(key) {
	case "netns":
		t.netns = uint32(d.s.uint(32))
	case "netns_name":
		t.name = d.text()
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
	uid     bool // known
	place   lifetime.Place
	program lifetime.Program
	user    string
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
	case "exe":
		o.program.Exe = d.text()
	case "cmdline":
		o.program.Cmdline = d.text()
	case "user":
		o.user = d.text()
	default:
		return d.place(key, &o.place)
	}
	return true
}

func (d *decoder) place(key []byte, p *lifetime.Place) bool {
	switch string(key) {
	case "cgroup":
		p.Cgroup = d.text()
	case "container":
		p.Container = d.text()
	case "unit":
		p.Unit = d.text()
	case "user_unit":
		p.UserUnit = d.text()
	case "runtime":
		p.Runtime = d.text()
	case "container_name":
		p.ContainerName = d.text()
	case "pod":
		p.Pod = d.text()
	case "pod_namespace":
		p.PodNamespace = d.text()
	case "pod_uid":
		p.PodUID = d.text()
	case "qos":
		p.QoS = d.text()
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
	o.Place, o.Program, o.User = lifetime.Intern(o.place), lifetime.Intern(o.program), lifetime.Intern(o.user)
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
