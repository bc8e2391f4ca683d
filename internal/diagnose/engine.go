package diagnose

import (
	"time"

	"porttrace/internal/event"
	"porttrace/internal/ktime"
	"porttrace/internal/lifetime"
	"porttrace/internal/pool"
)

// The evidence is judged every interval, by the records' own time, and sooner when ports
// cannot be had where they could before.
const (
	interval = 5 * time.Second
	shortest = time.Second
)

// Engine gathers evidence from the records of one host, live or recorded. Its memory
// grows with what is held at a time, with the pools in use, and with their owners, and
// not with what has been. It is a pipeline.Sink, for one goroutine.
type Engine struct {
	clock   ktime.Steady // all times here are by it
	now     ktime.Wall
	judged  ktime.Wall // when that was last
	due     ktime.Wall // when it is time to
	live    bool       // somebody else says when
	ranges  map[uint32]lifetime.Range
	holds   map[uint64]*holding
	spare   []*holding // of holds that are over
	places  map[pool.Key]*place
	parties map[partyKey]*party
	fixed   map[fixedPort]*giveaway
	found   map[mark]*scored // the strongest of each finding so far
	fresh   []mark           // found or raised since the last call of Fresh
	current map[mark]bool    // of the last judgement
	pending map[mark]*scored // leaks of a recording, whose holds' states are not told yet
	began   ktime.Wall       // the first record's time
	room    struct {         // until something is forgotten
		places, parties int
		fixed           ktime.Wall // the last time that it was
	}
}

// New returns an engine that has seen nothing, for a recording. One without --states tells
// states when a port comes back, and at the end: what was held up is told from then on. It
// stays unknown what holds were in whose release was not recorded (a crash, a lost part),
// whether a growing party leaks connections until that is told, and how a range changed
// after the start but for how many ports it offers.
func New() *Engine {
	return &Engine{
		ranges:  map[uint32]lifetime.Range{},
		holds:   map[uint64]*holding{},
		places:  map[pool.Key]*place{},
		parties: map[partyKey]*party{},
		fixed:   map[fixedPort]*giveaway{},
		found:   map[mark]*scored{},
		pending: map[mark]*scored{},
	}
}

// NewLive returns one for the live kernel: nothing is judged before Judge is called.
func NewLive() *Engine {
	e := New()
	e.live = true
	return e
}

// Write takes a record. It keeps nothing of r. The error is always nil.
func (e *Engine) Write(r *lifetime.Record) error {
	if r.Type == lifetime.Clock {
		e.clock.Moved(r.Time.Sub(r.Clock.From))
	}
	at := e.clock.Of(r.Time)
	e.now = max(e.now, at)
	if e.began == 0 {
		e.began = at
	}
	switch r.Type {
	case lifetime.Start:
		for _, rng := range r.Start.Pools {
			e.ranges[rng.NetNS] = rng
		}
	case lifetime.HeldAtStart, lifetime.Assign:
		e.take(r.Hold, r.Type == lifetime.Assign)
	case lifetime.State:
		e.See(r.Hold)
	case lifetime.HeldAtEnd:
		e.See(r.Hold)
		e.look(e.holds[r.Hold.ID].stake, r.Hold)
	case lifetime.Release:
		e.release(r.Hold, r.Reason)
	case lifetime.Failure:
		e.fail(r.Failure, at)
	case lifetime.Pool:
		e.level(r.Pool)
	}
	if !e.live && (r.Type == lifetime.End || e.now >= e.due) {
		e.judgeAt(e.now)
	}
	return nil
}

// Due says whether it is time to judge, and whether the states of the holds matter then:
// whoever can should have them seen before.
func (e *Engine) Due(now ktime.Wall) (judge, states bool) {
	if e.clock.Of(now) < e.due {
		return false, false
	}
	for _, p := range e.places {
		if p.stressed() >= notable {
			return true, true
		}
	}
	return true, false
}

// Ranges has the ranges of namespaces read again that matter: the start record tells those
// of its moment. pid is a process that is likely to live there, 0 if none is known.
func (e *Engine) Ranges(read func(netns, pid uint32) (lifetime.Range, bool)) {
	done := map[uint32]bool{}
	for k, p := range e.places {
		if done[k.NetNS] || p.stressed() < notable {
			continue
		}
		done[k.NetNS] = true
		var pid uint32
		if top := p.main(func(s *stake) int { return s.live }); top != nil {
			pid = top.pid
		}
		if rng, ok := read(k.NetNS, pid); ok {
			e.ranges[k.NetNS] = rng
		}
	}
}

// Judge looks at all the evidence as it stands now, and keeps the strongest of each
// finding: what was bad an hour ago is worth telling in a report.
func (e *Engine) Judge(now ktime.Wall) { e.judgeAt(e.clock.Of(now)) }

func (e *Engine) judgeAt(now ktime.Wall) {
	e.now = max(e.now, now)
	e.judged, e.due = e.now, e.now+ktime.Wall(interval)
	e.judge()
}

// Flush does nothing.
func (e *Engine) Flush() error { return nil }

// See takes in how a hold stands now. Records do not tell each state: whoever follows the
// live kernel shows every hold from time to time.
func (e *Engine) See(h *lifetime.Hold) {
	held := e.holds[h.ID]
	if held == nil {
		e.take(h, false)
		held = e.holds[h.ID]
	}
	held.state, held.known = h.State, true
	held.inState, held.seen = h.States[h.State], e.now
	held.connected = held.connected || h.Dst.IsValid() // connect() after bind()
}

func (e *Engine) take(h *lifetime.Hold, assigned bool) {
	s := e.stake(h)
	outside := e.isOutside(h)
	if !outside {
		s.live++
		s.place.live++
	}
	s.meet(h.Owner.PID)
	if assigned {
		s.assigned++
		s.place.measure(h.Search, e.usable(s.place))
	}
	held := e.newHolding()
	*held = holding{
		stake: s, path: h.Path, port: h.Port, pid: h.Owner.PID, first: e.now - ktime.Wall(h.HeldFor()),
		connected: h.Dst.IsValid(), outside: outside,
	}
	e.holds[h.ID] = held
	e.takeFixed(h)
}

// newHolding returns one to be filled in.
func (e *Engine) newHolding() *holding {
	n := len(e.spare)
	if n == 0 {
		return &holding{}
	}
	held := e.spare[n-1]
	e.spare = e.spare[:n-1]
	return held
}

// isOutside says whether a hold takes nothing from what the kernel hands out.
func (e *Engine) isOutside(h *lifetime.Hold) bool {
	rng, ok := e.ranges[h.NetNS]
	return ok && h.Path == event.Explicit && (h.Port < rng.Lo || h.Port > rng.Hi)
}

func (e *Engine) release(h *lifetime.Hold, reason event.Reason) {
	held := e.holds[h.ID]
	if held == nil { // its beginning was lost
		e.take(h, false)
		held = e.holds[h.ID]
	}
	delete(e.holds, h.ID)
	s := held.stake
	if !held.outside {
		s.live--
		s.place.live--
	}
	if len(e.spare) < maxSpare {
		e.spare = append(e.spare, held)
	}
	s.released++
	for state, d := range h.States {
		s.spent[state] += d
	}
	switch {
	case reason == event.TimedOut && h.States[event.SynSent] > 0:
		s.unanswered++
	case reason == event.TimeWaitReused:
		s.place.reusedAt = e.now
	}
	e.look(s, h)
	e.releaseFixed(h)
	if s.live == 0 {
		s.met = false // the next ones may be another process's
		e.forget(s)
	}
}

// level takes a pool's own record.
func (e *Engine) level(info *lifetime.PoolInfo) {
	p := e.place(pool.Key{NetNS: info.NetNS, Proto: info.Proto, Src: info.Src, Dst: info.Dst})
	if p.told && e.now.Sub(p.toldAt) >= interval {
		p.before = p.latest
	}
	p.latest, p.told, p.toldAt = *info, true, e.now
	if share(info.InUse, info.Usable) >= share(p.worst.InUse, p.worst.Usable) {
		p.worst = *info
	}
	if f := p.exhausted(); f != nil {
		f.measured(info.InUse, info.Usable, info.TimeWait)
	}
	if rng, ok := e.ranges[info.NetNS]; ok && !info.Dst.IsValid() { // nothing is kept from these pools
		rng.Usable = info.Usable
		e.ranges[info.NetNS] = rng
	}
}

// usable is how many ports a pool may use, as far as it is known, else 0.
func (e *Engine) usable(p *place) int {
	if p.told {
		return p.latest.Usable
	}
	return e.ranges[p.key.NetNS].Usable
}

// share is a part of a whole, from 0 to 1, and 0 of nothing.
func share(part, whole int) float64 {
	if whole <= 0 {
		return 0
	}
	return min(float64(max(part, 0))/float64(whole), 1)
}
