package terminal

import (
	"net/netip"
	"strconv"

	"porttrace/internal/event"
	"porttrace/internal/ktime"
	"porttrace/internal/lifetime"
)

// columnID names a column. All but the last are fields, the last tells the story.
type columnID uint8

const (
	colTime columnID = iota
	colEvent
	colProto
	colPort
	colPath
	colOwner
	colUID
	colContainer
	colNetNS
	colSrc
	colDst
	colWhat
)

var titles = [...]string{
	colTime: "TIME", colEvent: "EVENT", colProto: "PRO", colPort: "PORT", colPath: "PATH",
	colOwner: "OWNER", colUID: "UID", colContainer: "CONTAINER", colNetNS: "NETNS",
	colSrc: "SRC", colDst: "DST", colWhat: "WHAT",
}

// column is a column and its width; it may be widened up to most.
type column struct {
	id          columnID
	width, most int
}

// What WHAT is left with when others widen.
const (
	whatSmall  = 25 // "0.4s + 60.9s TIME_WAIT", "ESTABLISHED, before start"
	whatMedium = 27 // "0.4s used + 60.9s TIME_WAIT"
	whatLarge  = 34 // "EADDRNOTAVAIL: address not local"
	whatHuge   = 50 // "EADDRNOTAVAIL: range exhausted, 28232/28232 in use"
)

// The layouts of the time column. In 80 columns the fraction would cost WHAT its words.
const (
	seconds      = "15:04:05"
	milliseconds = "15:04:05.000"
)

// layout returns the columns for a terminal of a width (0: none) and what widening may
// take.
func layout(width int) (columns []column, slack int) {
	room := width
	if width == 0 {
		// No line ends here; let both addresses be IPv6 and still line up.
		width, room = 120, 200
	}
	has := func(least, w, most int, id columnID) {
		if width >= least {
			columns = append(columns, column{id, w, most})
		}
	}
	clock, owner, src, dst, least := seconds, 12, 15, 14, whatSmall
	if width >= 90 {
		clock = milliseconds
	}
	if width >= 100 {
		owner, dst, least = 18, 19, whatMedium
	}
	if width >= 120 {
		least = whatLarge
	}
	if width >= 160 {
		owner, dst, least = 20, 21, whatHuge
	}
	has(0, len(clock), 0, colTime)
	has(0, len("release"), 0, colEvent)
	has(0, len("tcp"), 0, colProto)
	has(0, len("60568"), 0, colPort)
	has(200, len("udp-connect"), 0, colPath)
	has(0, owner, 24, colOwner)
	has(160, 5, 10, colUID)
	has(200, 12, 24, colContainer)
	has(160, len("4026531840"), 0, colNetNS)
	has(120, src, 40, colSrc)
	has(0, dst, 48, colDst)
	start := 0
	for _, c := range columns {
		start += c.width + 1
	}
	has(0, 0, 0, colWhat)
	return columns, max(0, room-start-least)
}

// view is what a row needs of a record.
type view struct {
	rec   *lifetime.Record
	event string
	color string
	time  ktime.Wall
	proto event.Proto
	port  uint16
	path  event.Path
	owner *lifetime.Owner
	netns uint32
	src   netip.Addr
	dst   netip.AddrPort
}

// view returns false for a record without a row.
func (t *Table) view(r *lifetime.Record) (view, bool) {
	v := view{rec: r, time: r.Time}
	switch r.Type {
	case lifetime.Assign:
		v.event, v.color = "assign", green
	case lifetime.HeldAtStart:
		v.event, v.color = "held", cyan
	case lifetime.State:
		if !t.opts.States {
			return v, false
		}
		v.event, v.color = "state", blue
	case lifetime.Release:
		v.event = "release"
	case lifetime.Failure:
		f := r.Failure
		if f == nil {
			return v, false
		}
		v.event, v.color = "FAIL", red
		v.proto, v.port, v.path, v.owner = f.Proto, f.Port, f.Path, &f.Owner
		v.netns, v.src, v.dst = f.NetNS, f.Src, f.Dst
		return v, true
	default:
		return v, false
	}
	h := r.Hold
	if h == nil {
		return v, false
	}
	v.proto, v.port, v.path, v.owner = h.Proto, h.Port, h.Path, &h.Owner
	v.netns, v.src, v.dst = h.NetNS, h.Src, h.Dst
	return v, true
}

// cell writes one cell and moves t.col by the columns it takes.
func (t *Table) cell(id columnID, v *view) {
	before, width := len(t.buf), -1
	switch id {
	case colTime:
		t.buf = t.appendTime(t.buf, v.time)
	case colEvent:
		t.paint(v.color)
		t.buf = append(t.buf, v.event...)
		width = len(v.event)
		t.unpaint(v.color)
	case colProto:
		t.buf = append(t.buf, v.proto.String()...)
	case colPort:
		t.buf = appendNumber(t.buf, uint32(v.port))
	case colPath:
		t.buf = appendOr(t.buf, v.path.String(), '?')
	case colOwner:
		t.buf, width = appendOwner(t.buf, v.owner)
	case colUID:
		if *v.owner == (lifetime.Owner{}) {
			t.buf = append(t.buf, '?')
		} else {
			t.buf = strconv.AppendUint(t.buf, uint64(v.owner.UID), 10)
		}
	case colContainer:
		t.buf, width = appendContainer(t.buf, v.owner.Place.Value().Container)
	case colNetNS:
		t.buf = appendNumber(t.buf, v.netns)
	case colSrc:
		t.buf = appendAddr(t.buf, v.src)
	case colDst:
		t.buf = appendAddrPort(t.buf, v.dst)
	case colWhat:
		t.what(v)
		return
	}
	if width < 0 {
		width = len(t.buf) - before // ASCII
	}
	t.col += width
}

func (t *Table) appendTime(b []byte, w ktime.Wall) []byte {
	if w == 0 {
		return append(b, '?')
	}
	clock := seconds
	if t.columns[0].width > len(clock) {
		clock = milliseconds
	}
	return w.Time().In(t.opts.Location).AppendFormat(b, clock)
}
