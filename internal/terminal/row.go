package terminal

import (
	"net/netip"

	"porttrace/internal/event"
	"porttrace/internal/ktime"
	"porttrace/internal/lifetime"
)

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
	named lifetime.Interned[string] // the namespace
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
		v.netns, v.named, v.src, v.dst = f.NetNS, f.NetNSName, f.Src, f.Dst
		return v, true
	default:
		return v, false
	}
	h := r.Hold
	if h == nil {
		return v, false
	}
	v.proto, v.port, v.path, v.owner = h.Proto, h.Port, h.Path, &h.Owner
	v.netns, v.named, v.src, v.dst = h.NetNS, h.NetNSName, h.Src, h.Dst
	return v, true
}

// cell writes one cell and moves t.col by the columns it takes: at most room, where others
// may have written a long text.
func (t *Table) cell(id columnID, v *view, room int) {
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
	case colNetNS:
		t.buf = appendNumber(t.buf, v.netns)
	case colNetNSName:
		t.buf, width = appendName(t.buf, v.named.Value(), '-', room)
	case colSrc:
		t.buf = appendAddr(t.buf, v.src)
	case colDst:
		t.buf = appendAddrPort(t.buf, v.dst)
	case colWhat:
		t.what(v, room)
		return
	default:
		t.buf, width = appendOfOwner(t.buf, id, v.owner, room)
	}
	if width < 0 {
		width = len(t.buf) - before // ASCII
	}
	t.col += width
}

// appendOfOwner writes what a column tells of an owner and returns the columns it takes.
func appendOfOwner(b []byte, id columnID, o *lifetime.Owner, room int) ([]byte, int) {
	switch id {
	case colOwner:
		return appendOwner(b, o)
	case colUID:
		return appendUID(b, o)
	case colUser:
		if name := o.User.Value(); name != "" {
			return appendName(b, name, '?', room)
		}
		return appendUID(b, o)
	case colExe:
		return appendName(b, o.Program.Value().Exe, '?', room)
	case colCmdline:
		return appendName(b, o.Program.Value().Cmdline, '?', room)
	}
	place := o.Place.Value()
	return appendOfPlace(b, id, &place, room)
}

func appendOfPlace(b []byte, id columnID, p *lifetime.Place, room int) ([]byte, int) {
	switch id {
	case colWhere:
		_, name := p.Telling()
		return appendContainer(b, name, room)
	case colUnit:
		return appendName(b, p.Unit, '-', room)
	case colUserUnit:
		return appendName(b, p.UserUnit, '-', room)
	case colContainer:
		return appendContainer(b, p.Container, room)
	case colContainerName:
		return appendName(b, p.ContainerName, '-', room)
	case colPod:
		return appendPod(b, p, room)
	case colCgroup:
		return appendName(b, p.Cgroup, '?', room)
	}
	return b, 0
}

func (t *Table) appendTime(b []byte, w ktime.Wall) []byte {
	if w == 0 {
		return append(b, '?')
	}
	return w.Time().In(t.opts.Location).AppendFormat(b, t.clock)
}
