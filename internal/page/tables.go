package page

import (
	"cmp"
	"net/netip"
	"slices"
	"time"

	"porttrace/internal/event"
	"porttrace/internal/lifetime"
	"porttrace/internal/party"
)

// partiesKept is how many parties are told apart. Those beyond are one, named so.
const partiesKept = 1<<16 - 1

// otherParties is the number of those beyond.
const otherParties = partiesKept

// destinationsKept is how many destinations are counted apart before the lesser half is
// put together.
const destinationsKept = 1 << 16

// sums are what a table adds up.
type sums struct {
	holds, held, failures int
	time, timeWait        time.Duration
	longest               time.Duration
}

func (s *sums) end(h *lifetime.Hold, held time.Duration, ended bool) {
	s.time += held
	s.timeWait += h.States[event.TimeWait]
	s.longest = max(s.longest, held)
	if !ended {
		s.held++
	}
}

// partyID is what a party is known by. Of processes it is the name, and where they run: a
// program that is started again and again is one row. Of other levels it is the key.
type partyID struct {
	host, comm, cgroup, container string
	uid                           uint32
	known                         bool
	key                           party.Key
}

type row struct {
	partyID
	sums
	label party.Label
	pid   uint32
	pids  bool // more than one
}

// tables count holds by party, destination and path.
type tables struct {
	by           party.Level
	numbers      map[partyID]uint16
	parties      []*row // by number
	others       row
	destinations map[netip.AddrPort]*sums
	otherDst     sums
	foldedDst    int
	paths        [event.Explicit + 1]sums
}

func newTables(by party.Level) tables {
	return tables{by: by, numbers: map[partyID]uint16{}, destinations: map[netip.AddrPort]*sums{}}
}

// party returns the number of who has a hold.
func (t *tables) party(host string, h *lifetime.Hold) uint16 {
	o := &h.Owner
	id, label := partyID{host: host}, party.RunsIn(o)
	switch {
	case t.by != party.Process:
		id.key, label = t.by.Of(o, h.NetNS, h.NetNSName)
		id.known = id.key.IsKnown()
	case o.PID != 0:
		place := o.Place.Value()
		id = partyID{host, o.Comm, place.Cgroup, place.Container, o.UID, true, party.Key{}}
	}
	n, ok := t.numbers[id]
	if !ok {
		if len(t.parties) >= partiesKept {
			return otherParties
		}
		n = uint16(len(t.parties))
		t.numbers[id] = n
		t.parties = append(t.parties, &row{partyID: id, pid: o.PID})
	}
	r := t.parties[n]
	r.label.Learn(label)
	r.pids = r.pids || r.pid != o.PID
	return n
}

func (t *tables) byNumber(n uint16) *row {
	if int(n) < len(t.parties) {
		return t.parties[n]
	}
	return &t.others
}

// destination returns the sums of a destination, nil if a hold has none.
func (t *tables) destination(dst netip.AddrPort) *sums {
	if !dst.IsValid() {
		return nil
	}
	s := t.destinations[dst]
	if s == nil {
		if len(t.destinations) >= destinationsKept {
			t.fold()
		}
		s = &sums{}
		t.destinations[dst] = s
	}
	return s
}

func (t *tables) fold() {
	type entry struct {
		dst netip.AddrPort
		*sums
	}
	var all []entry
	for dst, s := range t.destinations {
		all = append(all, entry{dst, s})
	}
	slices.SortFunc(all, func(x, y entry) int {
		return cmp.Or(cmp.Compare(x.holds, y.holds), cmp.Compare(x.time, y.time), x.dst.Compare(y.dst))
	})
	for _, e := range all[:len(all)/2] {
		t.otherDst.plus(e.sums)
		delete(t.destinations, e.dst)
		t.foldedDst++
	}
}

func (s *sums) plus(o *sums) {
	s.holds += o.holds
	s.held += o.held
	s.failures += o.failures
	s.time += o.time
	s.timeWait += o.timeWait
	s.longest = max(s.longest, o.longest)
}

func (t *tables) begin(party uint16, h *lifetime.Hold) {
	t.byNumber(party).holds++
	t.paths[h.Path].holds++
}

// end counts a destination's holds, too: it may have come after the assign record.
func (t *tables) end(party uint16, h *lifetime.Hold, held time.Duration, ended bool) {
	t.byNumber(party).end(h, held, ended)
	t.paths[h.Path].end(h, held, ended)
	if d := t.destination(h.Dst); d != nil {
		d.holds++
		d.end(h, held, ended)
	}
}

func (t *tables) fail(party uint16, h *lifetime.Hold) {
	t.byNumber(party).failures++
	t.paths[h.Path].failures++
	if d := t.destination(h.Dst); d != nil {
		d.failures++
	}
}
