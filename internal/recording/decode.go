package recording

import (
	"errors"
	"net/netip"
	"time"

	"porttrace/internal/event"
	"porttrace/internal/lifetime"
)

// decoder turns lines into records.
type decoder struct {
	fast  fastLine
	texts texts
	addrs map[string]netip.Addr // see addr
	s     scanner
	line  holdLine
	out   lifetime.Record // of lines about holds
	hold  lifetime.Hold   // out's
}

// decode returns the record of one line, nil if it is of a kind this version skips. A
// record about a hold is valid until the next call.
func (d *decoder) decode(line []byte) (*lifetime.Record, error) {
	if n := d.laidOut(line, true); n > 0 && n == len(line) {
		return &d.out, nil
	}
	return d.scan(line)
}

// laidOut puts the record of the line that b begins with into d.out, if it is about a
// hold and just as the writer makes it. It returns the length of the line, or 0. See
// fastLine.read.
func (d *decoder) laidOut(b []byte, whole bool) int {
	d.fast.texts = &d.texts
	return d.fast.read(b, whole, &d.out, &d.hold)
}

// scan is decode for lines of any layout.
func (d *decoder) scan(line []byte) (*lifetime.Record, error) {
	d.s.reset(line)
	typ := d.typ()
	if d.s.err != nil {
		return nil, d.s.err
	}
	d.s.reset(line)
	r, err := d.record(typ)
	if d.s.end(); d.s.err != nil {
		return nil, d.s.err
	}
	return r, err
}

// typ finds the record's type, wherever a tool that sorts keys may have put it.
func (d *decoder) typ() string {
	for key := range d.s.fields() {
		if string(key) == "type" {
			if typ := d.text(); typ != "" {
				return typ
			}
			break
		}
		d.s.skip()
	}
	d.s.key = d.s.key[:0]
	d.s.fail("no \"type\": not a line of a recording")
	return ""
}

// record reads the whole line. Its error is about what the line says as a whole.
func (d *decoder) record(typ string) (*lifetime.Record, error) {
	switch typ {
	case "start":
		return d.start()
	case "held", "assign", "state", "release":
		return d.holdRecord(typ)
	case "failure":
		return d.failure()
	case "pool":
		return d.pool(), nil
	case "lost":
		return d.lost(), nil
	case "clock":
		return d.clock(), nil
	case "shed":
		return d.shed(), nil
	case "end":
		return d.endRecord(), nil
	}
	d.s.skip()
	return nil, nil
}

// holdLine is what a line about a hold says.
type holdLine struct {
	lifetime.Record
	hold lifetime.Hold
	tuple
	owner owner
	at    string
	state bool        // the state is known
	last  event.State // see states
}

func (d *decoder) holdRecord(typ string) (*lifetime.Record, error) {
	l := &d.line
	*l = holdLine{hold: lifetime.Hold{Search: -1}}
	for key := range d.s.fields() {
		if !d.common(key, &l.Record) && !d.tuple(key, &l.tuple) && !d.owner(key, &l.owner) && !d.holdField(key, l) {
			d.s.skip()
		}
	}
	switch {
	case typ == "assign":
		l.Type = lifetime.Assign
	case typ == "state" && l.state:
		l.Type = lifetime.State
	case typ == "release":
		l.Type = lifetime.Release
	case typ == "held" && l.at == "start":
		l.Type = lifetime.HeldAtStart
	case typ == "held" && l.at == "end":
		l.Type = lifetime.HeldAtEnd
	case typ == "held" && l.at == "":
		return nil, errors.New("held: neither at the start nor at the end")
	default:
		return nil, nil
	}
	return &d.out, l.record(&d.out, &d.hold)
}

// record keeps of the line what its type has, in r and h.
func (l *holdLine) record(r *lifetime.Record, h *lifetime.Hold) error {
	*r, *h = l.Record, l.hold
	r.Hold = h
	h.NetNS, h.NetNSName, h.Proto, h.Src = l.netns, lifetime.Intern(l.name), l.proto, l.src
	h.Dst = netip.AddrPortFrom(l.dst, l.dstPort)
	var err error
	h.Owner, err = l.owner.known()
	if r.Type != lifetime.Release {
		r.Reason = 0
	}
	if r.Type != lifetime.Assign {
		h.Search = -1
	}
	switch r.Type {
	case lifetime.Assign:
		h.State = 0
	case lifetime.Release:
		h.State = l.last
	}
	if r.Type != lifetime.Release && r.Type != lifetime.HeldAtEnd {
		h.States = [event.States]time.Duration{}
	}
	return err
}

func (d *decoder) holdField(key []byte, l *holdLine) bool {
	s, h := &d.s, &l.hold
	switch string(key) {
	case "at":
		l.at = d.text()
	case "id":
		h.ID = s.uint(64)
	case "port":
		h.Port = uint16(s.uint(16))
	case "path":
		h.Path = pathByName[string(s.bytes())]
	case "assigned":
		h.Assigned = d.wall()
	case "search_ns":
		h.Search = time.Duration(s.count())
	case "state":
		h.State, l.state = stateByName[string(s.bytes())]
	case "states":
		h.States, l.last = d.states()
	case "reason":
		l.Reason = reasonByName[string(s.bytes())]
	case "released":
		d.wall() // equals time
	case "held_ns":
		s.int(0) // the sum of states
	default:
		return false
	}
	return true
}

// states also returns the last state, as far as it can be told: states without time are
// written only where they are the last; else it is the furthest one.
func (d *decoder) states() (in [event.States]time.Duration, last event.State) {
	if d.s.null() {
		return in, 0
	}
	zero := false
	for key := range d.s.fields() {
		state, ok := stateByName[string(key)]
		if !ok {
			d.s.skip()
			continue
		}
		in[state] = time.Duration(d.s.int(0))
		if in[state] == 0 {
			last, zero = state, true
		} else if !zero {
			last = max(last, state)
		}
	}
	return in, last
}

func (d *decoder) common(key []byte, r *lifetime.Record) bool {
	switch string(key) {
	case "type":
		d.s.bytes()
	case "time":
		r.Time = d.wall()
	default:
		return false
	}
	return true
}
