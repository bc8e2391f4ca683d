package lifetime

import "porttrace/internal/event"

// Corrections are the differences to the kernel that were put right.
type Corrections struct {
	Count uint64
	// Expected is how many of them no hook could have told: ends of the kernel's own
	// sockets.
	Expected uint64
	// By counts the others by who can have done what no hook saw.
	By      map[Doer]uint64
	Details []Correction // of the first few of each in By
}

// Correction is a hold that was not as told.
type Correction struct {
	Hold Hold
	Was  Difference
	Doer Doer
}

// Difference is how a hold was found to differ from what was told.
type Difference uint8

// The differences.
const (
	Untold Difference = iota // held, and no event told
	Gone                     // told as held, and gone
	Moved                    // told, and living on in a mini-socket that no event told
)

// Doer is who can have done what no hook saw.
type Doer struct {
	// Softirq: the network's own work, packets and timers, whoever runs meanwhile. Else it
	// takes a system call, of the hold's owner.
	Softirq bool
	PID     uint32 // of the owner; 0: unknown
	NetNS   uint32
}

const (
	// detailed is how many corrections of one doer are kept in full.
	detailed = 5
	// doers bounds how many are told apart. The rest is put down to the zero Doer.
	doers = 256
)

// Missed is how many of them a hook should have told.
func (c *Corrections) Missed() uint64 { return c.Count - c.Expected }

// Add puts more to c.
func (c *Corrections) Add(more Corrections) {
	c.Count += more.Count
	c.Expected += more.Expected
	for by, n := range more.By {
		c.count(by, n)
	}
	for i := range more.Details {
		c.detail(more.Details[i])
	}
}

// Split parts c by who did it. What was expected goes to the first part.
func (c *Corrections) Split(is func(Doer) bool) (these, others Corrections) {
	these.Count, these.Expected = c.Expected, c.Expected
	part := func(by Doer) *Corrections {
		if is(by) {
			return &these
		}
		return &others
	}
	for by, n := range c.By {
		p := part(by)
		p.Count += n
		p.count(by, n)
	}
	for i := range c.Details {
		part(c.Details[i].Doer).detail(c.Details[i])
	}
	return these, others
}

func (c *Corrections) count(by Doer, n uint64) {
	if c.By == nil {
		c.By = map[Doer]uint64{}
	}
	if _, known := c.By[by]; !known && len(c.By) >= doers {
		by = Doer{}
	}
	c.By[by] += n
}

func (c *Corrections) detail(d Correction) {
	if _, known := c.By[d.Doer]; !known {
		d.Doer = Doer{}
	}
	have := 0
	for i := range c.Details {
		if c.Details[i].Doer == d.Doer {
			have++
		}
	}
	if have < detailed {
		c.Details = append(c.Details, d)
	}
}

func (t *Tracker) corrected(h *hold, was Difference) {
	t.totals.Corrected++
	c := &t.audit.corrections
	c.Count++
	switch {
	case was == Gone && h.unclosed:
		c.Expected++
	case was == Untold && t.audit.running:
		t.audit.untold = append(t.audit.untold, h.Hold)
	default:
		t.putDown(&h.Hold, was)
	}
}

// putDown puts a difference down to who can have made it.
func (t *Tracker) putDown(h *Hold, was Difference) {
	by := t.doer(h, was)
	t.audit.corrections.count(by, 1)
	t.audit.corrections.detail(Correction{*h, was, by})
}

// doer says who can have made a difference unseen. A port is taken in a system call,
// bind(), listen(), connect() or sendto(); UDP's, and TCP's without a connection, are
// given back in one, too. What is left is the softirq's: a connection ends there, by a
// packet or a timer, or leaves its port to a mini-socket, which has no owner and is this
// connection's if it was told so far.
func (t *Tracker) doer(h *Hold, was Difference) Doer {
	connected := h.Proto == event.TCP && h.State != event.Bound && h.State != event.Listening
	if connected && (was != Untold || isMini(h) && t.left.has(h)) {
		return Doer{Softirq: true}
	}
	return Doer{PID: h.Owner.PID, NetNS: h.NetNS}
}

// isMini says whether a hold that was found may be in a mini-socket.
func isMini(h *Hold) bool {
	return h.Owner.PID == 0 && (h.State == event.FinWait2 || h.State == event.TimeWait)
}

// Corrections returns those made since the last call.
func (t *Tracker) Corrections() Corrections {
	c := t.audit.corrections
	t.audit.corrections = Corrections{}
	return c
}
