package lifetime

import (
	"net/netip"
	"time"

	"porttrace/internal/event"
	"porttrace/internal/ktime"
)

// Owners puts an owner in people's terms, and a network namespace. It is called once a
// hold and must be quick.
type Owners interface {
	Describe(event.Owner) Owner
	NetNS(inode uint32, at ktime.Time) Interned[string] // its name
}

// Totals are the counters of a trace. Conservation: Held = BeforeStart + Assigned -
// Released, where Held is the size of the held set.
type Totals struct {
	BeforeStart uint64
	Assigned    uint64
	Released    uint64
	Failures    uint64
	Corrected   uint64 // holds found gone, or found held, that no event told
}

// Tracker turns events into records. It is deterministic: time comes from events only,
// and the same events give the same records. It is not safe for concurrent use.
type Tracker struct {
	clock   *ktime.Clock
	owners  Owners
	emit    func(*Record)
	states  bool
	held    map[event.ID]*hold
	ends    ends
	left    departed
	free    []*hold
	lastID  uint64
	totals  Totals
	audit   audit
	started bool
	record  Record
}

// hold is a live hold: what sinks see, and the kernel's times behind it.
type hold struct {
	Hold
	key      event.ID
	assigned ktime.Time // zero: unknown
	upTo     ktime.Time // States adds up to this instant
	killed   *provisional
	untold   bool        // the state or an address changed since a record told it
	told     event.State // by the last state record, which stands for the time up to toldAt
	toldAt   ktime.Time
	seen     uint32 // the last audit that it was seen in, or heard of after
	absent   uint32 // the last audit that found it gone
	unclosed bool   // the kernel's own: its end is seen by audits only
}

// NewTracker returns a tracker that hands its records to emit; the record and what it
// points to are reused after emit returns. With states, each state entered is a record.
func NewTracker(clock *ktime.Clock, owners Owners, states bool, emit func(*Record)) *Tracker {
	return &Tracker{
		clock:  clock,
		owners: owners,
		emit:   emit,
		states: states,
		held:   map[event.ID]*hold{},
		ends:   ends{byTuple: map[tuple]*provisional{}},
		audit:  audit{strangers: map[event.ID]bool{}, before: map[event.ID]bool{}},
	}
}

// Handle takes one event. Events of one hold come in order; those of different holds
// may be reordered by as much as a ring buffer reorders CPUs.
func (t *Tracker) Handle(e *event.Event) {
	switch e.Kind {
	case event.Assign:
		t.assign(e)
	case event.Entered:
		t.enter(e)
	case event.Release:
		t.release(e)
	case event.Revoke:
		t.revoke(e)
	case event.Expire:
		t.expire(e)
	case event.Failure:
		t.fail(e)
	case event.Held:
		t.see(e)
	case event.Tuple:
		t.connect(e)
	case event.Found:
		t.find(e)
	}
}

// Started ends the first look: holds found from now on were not held before the start.
func (t *Tracker) Started() { t.started = true }

// Reclock tells the times of all holds by the clock as it goes now: it was set.
func (t *Tracker) Reclock() {
	for _, h := range t.held {
		h.Assigned = t.clock.Wall(h.assigned)
	}
}

// TellStates has each state entered told from now on, or not. What changes meanwhile is
// told with the next change.
func (t *Tracker) TellStates(tell bool) { t.states = tell }

// Totals returns the counters so far.
func (t *Tracker) Totals() Totals { return t.totals }

// Held returns the size of the held set, ends not certain yet included.
func (t *Tracker) Held() int { return len(t.held) }

// Each calls f for every hold, in no order. What f gets is valid during the call and as
// of the hold's last event.
func (t *Tracker) Each(f func(*Hold)) {
	for _, h := range t.held {
		f(&h.Hold)
	}
}

func (t *Tracker) assign(e *event.Event) {
	t.handOver(&e.Hold, searchBegan(&e.Hold, e.Time), e.Time)
	if h, ok := t.held[e.Hold.ID]; ok { // a look was quicker than the ring
		t.update(h, e)
		return
	}
	h := t.take(e)
	t.totals.Assigned++
	t.tell(Assign, h.assigned, h)
}

// missed takes in a hold whose assignment was not told, so that what follows has a
// beginning: with the time of assignment where the kernel side still knew it. Until
// Started those are the holds from before the start; later something went wrong.
func (t *Tracker) missed(e *event.Event) *hold {
	h := t.take(e)
	if !t.started && h.assigned == 0 {
		t.totals.BeforeStart++
		t.tell(HeldAtStart, h.key.Born, h)
		return h
	}
	t.totals.Assigned++
	t.tell(Assign, max(h.assigned, h.key.Born), h)
	h.untold = true // an assign record has no state
	if t.started {  // else its assign is in the ring, and it moved on before all hooks were there
		t.corrected(h, Untold)
	}
	return h
}

// connect: a socket with a port of its own may take its tuple from TIME_WAIT, too.
func (t *Tracker) connect(e *event.Event) {
	began := e.Time - min(e.Time, ktime.Time(e.Hold.InState[event.SynSent]))
	t.handOver(&e.Hold, began, e.Time)
	h, ok := t.held[e.Hold.ID]
	if !ok {
		h = t.missed(e)
		t.tellIfUntold(h, e.Time)
	}
	t.update(h, e)
}

func (t *Tracker) enter(e *event.Event) {
	h, ok := t.held[e.Hold.ID]
	if !ok {
		h = t.missed(e)
	}
	t.update(h, e)
	if t.states && (e.Hold.State != h.told || e.Time > h.toldAt) {
		t.tellState(h, e.Time)
	}
}

func (t *Tracker) tellIfUntold(h *hold, at ktime.Time) {
	if t.states && h.untold {
		t.tellState(h, at)
	}
}

func (t *Tracker) tellState(h *hold, at ktime.Time) {
	h.told, h.toldAt, h.untold = h.State, at, false
	t.tell(State, at, h)
}

func (t *Tracker) release(e *event.Event) {
	h, ok := t.held[e.Hold.ID]
	if !ok {
		h = t.missed(e)
	}
	t.ends.drop(h) // the restart before was lost
	t.update(h, e)
	if e.Reason == event.TimeWaitKilled {
		t.ends.add(h, e)
		return
	}
	if e.Reason == event.Vanished { // found by the next hook of its socket
		t.corrected(h, Gone)
	}
	t.end(h, e.Time, e.Reason)
}

// revoke: the timer went on, the hold lives.
func (t *Tracker) revoke(e *event.Event) {
	if h, ok := t.held[e.Hold.ID]; ok && h.killed != nil {
		t.ends.drop(h)
		t.update(h, e)
		t.tellIfUntold(h, e.Time)
	}
}

// expire: what looked like a kill was the timer's ordinary end.
func (t *Tracker) expire(e *event.Event) {
	if h, ok := t.held[e.Hold.ID]; ok {
		t.ends.drop(h)
		t.update(h, e)
		t.end(h, e.Time, e.Reason)
	}
}

func (t *Tracker) fail(e *event.Event) {
	t.totals.Failures++
	f := FailureInfo{
		NetNS:     e.Hold.NetNS,
		NetNSName: t.owners.NetNS(e.Hold.NetNS, e.Time),
		Proto:     e.Hold.Proto,
		Path:      e.Hold.Path,
		Port:      e.Hold.Port,
		Src:       e.Hold.Src.Netip(),
		Dst:       destination(&e.Hold),
		Owner:     t.owners.Describe(e.Hold.Owner),
		Errno:     errnoName(e.Errno),
		Cause:     CauseUnknown,
		Searched:  e.Hold.Searched,
		RangeLo:   e.RangeLo,
		RangeHi:   e.RangeHi,
		InUse:     -1,
		Usable:    -1,
	}
	t.record = Record{Type: Failure, Time: t.clock.Wall(e.Time), Failure: &f}
	t.emit(&t.record)
}

// take adds an event's hold to the held set.
func (t *Tracker) take(e *event.Event) *hold {
	var h *hold
	if n := len(t.free); n > 0 {
		h, t.free = t.free[n-1], t.free[:n-1]
	} else {
		h = new(hold)
	}
	t.lastID++
	*h = hold{
		key:      e.Hold.ID,
		assigned: e.Hold.Assigned,
		unclosed: e.Hold.Unclosed,
		Hold: Hold{
			ID:        t.lastID,
			NetNS:     e.Hold.NetNS,
			NetNSName: t.owners.NetNS(e.Hold.NetNS, e.Time),
			Proto:     e.Hold.Proto,
			Port:      e.Hold.Port,
			Path:      e.Hold.Path,
			Assigned:  t.clock.Wall(e.Hold.Assigned),
			Search:    searchTime(e.Hold.Search),
			Owner:     t.owners.Describe(e.Hold.Owner),
		},
	}
	t.held[h.key] = h
	t.update(h, e)
	h.untold = false
	return h
}

// update brings a hold up to an event's time.
func (t *Tracker) update(h *hold, e *event.Event) {
	h.seen = t.audit.number
	if src := e.Hold.Src.Netip(); src != h.Src { // UDP connect() chooses one
		h.Src, h.untold = src, true
	}
	if dst := destination(&e.Hold); dst.Port() != 0 && dst != h.Dst {
		h.Dst, h.untold = dst, true
	}
	if h.State != e.Hold.State {
		h.State, h.untold = e.Hold.State, true
	}
	var sum time.Duration
	for i, ns := range e.Hold.InState {
		h.States[i] = time.Duration(ns)
		sum += h.States[i]
	}
	h.upTo = h.key.Born.Add(sum)
}

// extend lets the hold stay in its state until an instant not told by an event of it.
func (h *hold) extend(to ktime.Time) {
	if to > h.upTo {
		h.States[h.State] += to.Sub(h.upTo)
		h.upTo = to
	}
}

func (t *Tracker) end(h *hold, at ktime.Time, reason event.Reason) {
	h.extend(at)
	t.totals.Released++
	t.left.note(&h.Hold, at)
	t.record = Record{Type: Release, Time: t.clock.Wall(h.upTo), Hold: &h.Hold, Reason: reason}
	t.emit(&t.record)
	delete(t.held, h.key)
	t.free = append(t.free, h)
}

func (t *Tracker) tell(typ Type, at ktime.Time, h *hold) {
	t.record = Record{Type: typ, Time: t.clock.Wall(at), Hold: &h.Hold}
	t.emit(&t.record)
}

// Finish settles ends that are not certain yet and tells what is still held at the
// stop, in the order of assignment.
func (t *Tracker) Finish(now ktime.Time) {
	t.settle(now, true)
	for _, h := range t.inOrder() {
		h.extend(now)
		t.tell(HeldAtEnd, now, h)
	}
}

func destination(h *event.Hold) netip.AddrPort {
	if h.DstPort == 0 {
		return netip.AddrPort{}
	}
	return netip.AddrPortFrom(h.Dst.Netip(), h.DstPort)
}

func searchTime(ns uint64) time.Duration {
	if ns == event.NoSearch {
		return -1
	}
	return time.Duration(ns)
}
