package recording

import (
	"fmt"
	"math"
	"net/netip"
	"time"

	"porttrace/internal/ktime"
	"porttrace/internal/lifetime"
)

func (d *decoder) start() (*lifetime.Record, error) {
	s, info := &d.s, &lifetime.StartInfo{}
	r := &lifetime.Record{Type: lifetime.Start, Start: info}
	var schema int64
	for key := range s.fields() {
		switch string(key) {
		case "schema":
			if schema = s.int(0); s.err == nil && schema > Schema {
				// What follows may be in any shape.
				s.key = s.key[:0]
				s.fail("%w", errSchema(schema))
			}
		case "uptime_ns":
			info.Uptime = ktime.Time(s.uint(64))
		case "part":
			info.Part = d.int()
		case "version":
			info.Version = d.text()
		case "host":
			info.Host = d.text()
		case "boot_id":
			info.BootID = d.text()
		case "kernel":
			info.Kernel = d.text()
		case "hooks":
			info.Hooks = d.text()
		case "filter":
			info.Filter = d.text()
		case "pools":
			info.Pools = d.ranges()
		default:
			if !d.common(key, r) {
				s.skip()
			}
		}
	}
	if schema != Schema {
		return nil, errSchema(schema)
	}
	info.Schema = int(schema)
	return r, nil
}

func errSchema(schema int64) error {
	if schema > Schema {
		return fmt.Errorf("schema %d is newer than this porttrace reads (%d): %w", schema, Schema, ErrNewer)
	}
	return fmt.Errorf("start: schema %d: not a recording of porttrace", schema)
}

func (d *decoder) ranges() (out []lifetime.Range) {
	s := &d.s
	if s.null() {
		return nil
	}
	for range s.elements() {
		var p lifetime.Range
		for key := range s.fields() {
			switch string(key) {
			case "netns":
				p.NetNS = uint32(s.uint(32))
			case "range":
				p.Lo, p.Hi = d.portRange()
			case "reserved":
				p.Reserved = d.text()
			case "usable":
				p.Usable = d.int()
			default:
				s.skip()
			}
		}
		out = append(out, p)
	}
	return out
}

// portRange reads [lo, hi]; null is 0, 0.
func (d *decoder) portRange() (lo, hi uint16) {
	s := &d.s
	if s.null() {
		return 0, 0
	}
	var pair [2]uint16
	n := 0
	for i := range s.elements() {
		v := uint16(s.uint(16))
		if n = i + 1; i < len(pair) {
			pair[i] = v
		}
	}
	if n != len(pair) {
		s.fail("want a range of two ports")
	}
	return pair[0], pair[1]
}

// int reads a number that is kept as an int; null is 0.
func (d *decoder) int() int {
	v := d.s.int(0)
	if v > math.MaxInt || v < math.MinInt {
		d.s.fail("%d is out of range", v)
	}
	return int(v)
}

func (d *decoder) failure() (*lifetime.Record, error) {
	s, info := &d.s, &lifetime.FailureInfo{InUse: -1, Usable: -1}
	r := &lifetime.Record{Type: lifetime.Failure, Failure: info}
	var t tuple
	var o owner
	for key := range s.fields() {
		switch string(key) {
		case "path":
			info.Path = pathByName[string(s.bytes())]
		case "port":
			info.Port = uint16(s.uint(16))
		case "errno":
			info.Errno = d.text()
		case "cause":
			info.Cause = lifetime.Cause(d.text())
		case "range":
			info.RangeLo, info.RangeHi = d.portRange()
		case "in_use":
			info.InUse = int(min(s.count(), math.MaxInt))
		case "usable":
			info.Usable = int(min(s.count(), math.MaxInt))
		default:
			if !d.common(key, r) && !d.tuple(key, &t) && !d.owner(key, &o) {
				s.skip()
			}
		}
	}
	info.NetNS, info.NetNSName, info.Proto, info.Src = t.netns, lifetime.Intern(t.name), t.proto, t.src
	info.Dst = netip.AddrPortFrom(t.dst, t.dstPort)
	var err error
	info.Owner, err = o.known()
	return r, err
}

func (d *decoder) pool() *lifetime.Record {
	s, info := &d.s, &lifetime.PoolInfo{MeanHeld: -1, Exhausts: -1}
	r := &lifetime.Record{Type: lifetime.Pool, Pool: info}
	var t tuple
	for key := range s.fields() {
		switch string(key) {
		case "in_use":
			info.InUse = d.int()
		case "usable":
			info.Usable = d.int()
		case "time_wait":
			info.TimeWait = d.int()
		case "assign_rate":
			info.AssignRate = s.float()
		case "mean_held_ns":
			info.MeanHeld = time.Duration(s.count())
		case "exhausts_in_ns":
			info.Exhausts = time.Duration(s.count())
		default:
			if !d.common(key, r) && !d.tuple(key, &t) {
				s.skip()
			}
		}
	}
	info.NetNS, info.Proto, info.Src = t.netns, t.proto, t.src
	info.Dst = netip.AddrPortFrom(t.dst, t.dstPort)
	return r
}

func (d *decoder) lost() *lifetime.Record {
	s, info := &d.s, &lifetime.LostInfo{Reconciled: -1}
	r := &lifetime.Record{Type: lifetime.Lost, Lost: info}
	for key := range s.fields() {
		switch string(key) {
		case "events":
			info.Events = s.uint(64)
		case "where":
			info.Where = d.text()
		case "reconciled":
			info.Reconciled = s.count()
		default:
			if !d.common(key, r) {
				s.skip()
			}
		}
	}
	return r
}

func (d *decoder) clock() *lifetime.Record {
	s, info := &d.s, &lifetime.ClockInfo{}
	r := &lifetime.Record{Type: lifetime.Clock, Clock: info}
	for key := range s.fields() {
		switch string(key) {
		case "from":
			info.From = d.wall()
		case "offset_ns":
			s.int(0) // the difference of both times
		default:
			if !d.common(key, r) {
				s.skip()
			}
		}
	}
	if r.Time == 0 || info.From == 0 {
		info.From = r.Time // by how much it was set is not known
	}
	return r
}

func (d *decoder) shed() *lifetime.Record {
	s, info := &d.s, &lifetime.ShedInfo{}
	r := &lifetime.Record{Type: lifetime.Shed, Shed: info}
	for key := range s.fields() {
		switch string(key) {
		case "what":
			info.What = d.list()
		case "limit_percent":
			info.Limit = d.int()
		case "used_percent":
			info.Used = s.float()
		case "for_ns":
			info.For = time.Duration(s.int(0))
		default:
			if !d.common(key, r) {
				s.skip()
			}
		}
	}
	return r
}

// list reads texts; null is none.
func (d *decoder) list() (out []string) {
	if d.s.null() {
		return nil
	}
	for range d.s.elements() {
		out = append(out, d.text())
	}
	return out
}

func (d *decoder) endRecord() *lifetime.Record {
	s, info := &d.s, &lifetime.EndInfo{}
	r := &lifetime.Record{Type: lifetime.End, End: info}
	for key := range s.fields() {
		switch string(key) {
		case "before_start":
			info.BeforeStart = s.uint(64)
		case "assigned":
			info.Assigned = s.uint(64)
		case "released":
			info.Released = s.uint(64)
		case "held":
			info.Held = s.uint(64)
		case "failures":
			info.Failures = s.uint(64)
		case "lost":
			info.Lost = s.uint(64)
		case "reconciled":
			info.Reconciled = s.uint(64)
		case "discrepancies":
			info.Discrepancies = s.uint(64)
		case "complete":
			info.Complete = s.bool()
		default:
			if !d.common(key, r) {
				s.skip()
			}
		}
	}
	return r
}
