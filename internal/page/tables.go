package page

import (
	"cmp"
	"net/netip"
	"slices"
	"time"

	"porttrace/internal/event"
	"porttrace/internal/lifetime"
)

// processesKept is how many processes are told apart. Those beyond are one, named so.
const processesKept = 1<<16 - 1

// otherProcesses is the number of those beyond.
const otherProcesses = processesKept

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

// processID is what a process is known by: the name, and where it runs. A program that is
// started again and again is one row.
type processID struct {
	host, comm, cgroup, container string
	uid                           uint32
	known                         bool
}

type process struct {
	processID
	sums
	pid  uint32
	pids bool // more than one
}

// tables count holds by process, destination and path.
type tables struct {
	numbers      map[processID]uint16
	processes    []*process // by number
	others       process
	destinations map[netip.AddrPort]*sums
	otherDst     sums
	foldedDst    int
	paths        [event.Explicit + 1]sums
}

func newTables() tables {
	return tables{numbers: map[processID]uint16{}, destinations: map[netip.AddrPort]*sums{}}
}

// process returns the number of an owner.
func (t *tables) process(host string, o *lifetime.Owner) uint16 {
	id := processID{host: host}
	if o.PID != 0 {
		place := o.Place.Value()
		id = processID{host, o.Comm, place.Cgroup, place.Container, o.UID, true}
	}
	n, ok := t.numbers[id]
	if !ok {
		if len(t.processes) >= processesKept {
			return otherProcesses
		}
		n = uint16(len(t.processes))
		t.numbers[id] = n
		t.processes = append(t.processes, &process{processID: id, pid: o.PID})
	}
	if p := t.processes[n]; p.pid != o.PID {
		p.pids = true
	}
	return n
}

func (t *tables) byNumber(n uint16) *process {
	if int(n) < len(t.processes) {
		return t.processes[n]
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

func (t *tables) begin(process uint16, h *lifetime.Hold) {
	t.byNumber(process).holds++
	t.paths[h.Path].holds++
}

// end counts a destination's holds, too: it may have come after the assign record.
func (t *tables) end(process uint16, h *lifetime.Hold, held time.Duration, ended bool) {
	t.byNumber(process).end(h, held, ended)
	t.paths[h.Path].end(h, held, ended)
	if d := t.destination(h.Dst); d != nil {
		d.holds++
		d.end(h, held, ended)
	}
}

func (t *tables) fail(process uint16, h *lifetime.Hold) {
	t.byNumber(process).failures++
	t.paths[h.Path].failures++
	if d := t.destination(h.Dst); d != nil {
		d.failures++
	}
}
