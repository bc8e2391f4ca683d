package lifetime

import (
	"slices"
	"testing"
	"time"

	"porttrace/internal/event"
	"porttrace/internal/ktime"
)

const owner, space = 7, 4026531840

// holdIn is a hold that was assigned and is in some state now.
func holdIn(proto event.Proto, state event.State, pid uint32) *event.Event {
	e := at(event.Assign, 1000, state, nil)
	e.Hold.Proto, e.Hold.NetNS, e.Hold.Owner.PID = proto, space, pid
	return e
}

// audits has two audits find what the events say is held, each time.
func audits(tr *Tracker, now ktime.Time, found ...*event.Event) Corrections {
	for i := range 2 {
		tr.BeginAudit(now + ktime.Time(i))
		if i == 1 { // the kernel side takes in what it met before
			for _, e := range found {
				tr.Handle(e)
			}
		}
		tr.EndAudit()
	}
	return tr.Corrections()
}

var (
	softirqs = Doer{Softirq: true}
	owners   = Doer{PID: owner, NetNS: space}
	nobodys  = Doer{NetNS: space}
)

// What ends a hold unseen, by the state it was in: connections end by packets and timers,
// all else by the owner's own system calls.
func TestWhoCanHaveEndedAHold(t *testing.T) {
	for state := event.Bound; state < event.States; state++ {
		for _, proto := range []event.Proto{event.TCP, event.UDP} {
			want := softirqs
			if proto == event.UDP || state == event.Bound || state == event.Listening {
				want = owners
			}
			tr, _ := newTracker(false)
			tr.Started()
			tr.Handle(holdIn(proto, state, owner))
			c := audits(tr, 2000)
			if c.Count != 1 || c.By[want] != 1 || len(c.Details) != 1 || c.Details[0].Was != Gone || c.Details[0].Doer != want {
				t.Errorf("%s in %s is gone: %+v, want it to be by %+v", proto, state, c, want)
			}
		}
	}
}

// foundNow is what an audit takes in as new.
func foundNow(state event.State, pid uint32) *event.Event {
	e := holdIn(event.TCP, state, pid)
	e.Kind, e.Time, e.Hold.Born, e.Hold.Assigned = event.Found, 3000, 3000, 0
	return e
}

// A port is taken in a system call, whatever became of the socket since.
func TestWhoCanHaveTakenAPort(t *testing.T) {
	for state := event.Bound; state < event.States; state++ {
		for pid, want := range map[uint32]Doer{owner: owners, 0: nobodys} {
			tr, _ := newTracker(false)
			tr.Started()
			c := audits(tr, 2000, foundNow(state, pid))
			if c.Count != 1 || c.By[want] != 1 || len(c.Details) != 1 || c.Details[0].Was != Untold {
				t.Errorf("%s is held by %d: %+v, want it to be by %+v", state, pid, c, want)
			}
		}
	}
}

// A socket that a mini-socket replaced unseen is the same hold.
func TestMiniSocketOfAHoldIsTheSoftirqs(t *testing.T) {
	tr, _ := newTracker(false)
	tr.Started()
	tr.Handle(holdIn(event.TCP, event.FinWait1, owner))
	moved := holdIn(event.TCP, event.TimeWait, owner)
	moved.Kind, moved.Time = event.Found, 3000
	if c := audits(tr, 2000, moved); c.Count != 1 || c.By[softirqs] != 1 || c.Details[0].Was != Moved {
		t.Errorf("got %+v", c)
	}
}

// Where the socket was still open, its close() looks like the end of the hold. The
// mini-socket that is found later is that connection's, which was told: not so another's.
func TestMiniSocketOfAConnectionThatWasTold(t *testing.T) {
	for name, c := range map[string]struct {
		from  event.State // where the connection was told to end
		after time.Duration
		other bool // the mini-socket is of another connection
		want  Doer
	}{
		"FIN_WAIT1":          {event.FinWait1, time.Second, false, softirqs},
		"FIN_WAIT2":          {event.FinWait2, 40 * time.Second, false, softirqs},
		"CLOSING":            {event.Closing, time.Second, false, softirqs},
		"reset":              {event.Established, time.Second, false, nobodys},
		"closed by the peer": {event.LastAck, time.Second, false, nobodys},
		"another":            {event.FinWait2, time.Second, true, nobodys},
		"long ago":           {event.FinWait2, 5 * time.Minute, false, nobodys},
	} {
		t.Run(name, func(t *testing.T) {
			tr, _ := newTracker(false)
			tr.Started()
			tr.Handle(holdIn(event.TCP, event.SynSent, owner))
			end := holdIn(event.TCP, c.from, owner)
			end.Kind, end.Time, end.Reason = event.Release, 1500, event.Closed
			tr.Handle(end)
			for d := time.Duration(0); d < c.after; d += 30 * time.Second { // as ever
				tr.BeginAudit(ktime.Time(1500).Add(d))
				tr.EndAudit()
			}
			mini := foundNow(event.TimeWait, 0)
			mini.Hold.Born = ktime.Time(1500).Add(c.after)
			if c.other {
				mini.Hold.DstPort++
			}
			if got := audits(tr, mini.Hold.Born, mini); got.Count != 1 || got.By[c.want] != 1 {
				t.Errorf("got %+v, want it to be by %+v", got, c.want)
			}
		})
	}
}

// It may be found by the audit that finds the socket gone, too.
func TestMiniSocketFoundAsItsSocketGoes(t *testing.T) {
	tr, _ := newTracker(false)
	tr.Started()
	tr.Handle(holdIn(event.TCP, event.FinWait1, owner))
	mini := foundNow(event.TimeWait, 0)
	mini.Hold.Born = ktime.Time(1500).Add(time.Second)
	if got := audits(tr, mini.Hold.Born, mini); got.Count != 2 || got.By[softirqs] != 2 {
		t.Errorf("got %+v, want both to be by %+v", got, softirqs)
	}
}

// What the first look finds is no correction, not even of a hold that a hook told of as the
// others were being attached, and that is in a mini-socket by now.
func TestFirstLookCorrectsNothing(t *testing.T) {
	tr, l := newTracker(false)
	found := holdIn(event.TCP, event.FinWait2, owner)
	found.Kind, found.Time = event.Found, 3000
	tr.Handle(found)
	tr.Started()
	tr.Handle(holdIn(event.TCP, event.SynSent, owner)) // from the ring
	if c := tr.Corrections(); c.Count != 0 || len(l.ofType(Assign)) != 1 || tr.Totals().Assigned != 1 {
		t.Errorf("corrected %+v, told %+v", c, l.records)
	}
}

func TestDepartedIsBounded(t *testing.T) {
	var d departed
	for i := range 3 * departures {
		d.note(&Hold{NetNS: uint32(i), Proto: event.TCP, State: event.FinWait2}, 1)
	}
	if n := len(d.recent) + len(d.before); n > 2*departures {
		t.Errorf("%d connections are remembered", n)
	}
}

func correctionsBy(doers ...Doer) (c Corrections) {
	for i, by := range doers {
		c.Count++
		c.count(by, 1)
		c.detail(Correction{Hold: Hold{ID: uint64(i)}, Doer: by})
	}
	return c
}

func TestCorrectionsAreParted(t *testing.T) {
	var doers []Doer
	for range 3 * detailed { // the many do not keep the few out of sight
		doers = append(doers, softirqs)
	}
	c := correctionsBy(append(doers, owners)...)
	c.Count, c.Expected = c.Count+2, 2
	sum := correctionsBy(owners)
	sum.Add(c)
	soft, rest := sum.Split(func(by Doer) bool { return by.Softirq })
	if soft.Count != 3*detailed+2 || soft.Expected != 2 || soft.Missed() != 3*detailed || len(soft.Details) != detailed {
		t.Errorf("the softirq's: %+v", soft)
	}
	if rest.Count != 2 || rest.Expected != 0 || len(rest.Details) != 2 || rest.By[owners] != 2 || len(rest.By) != 1 {
		t.Errorf("the rest: %+v", rest)
	}
	none, all := sum.Split(func(Doer) bool { return false })
	if none.Missed() != 0 || none.Count != 2 || all.Count+none.Count != sum.Count {
		t.Errorf("nobody's: %+v, the rest: %+v", none, all)
	}
}

// Of however many doers, little is kept, and nothing goes uncounted.
func TestCorrectionsAreBounded(t *testing.T) {
	var doers []Doer
	for pid := range uint32(10 * 256) {
		doers = append(doers, Doer{PID: pid + 1, NetNS: space})
	}
	c := correctionsBy(doers...)
	var sum uint64
	for _, n := range c.By {
		sum += n
	}
	if sum != c.Count || len(c.By) > 257 || len(c.Details) > 257*detailed {
		t.Errorf("%d of %d counted, %d doers, %d in detail", sum, c.Count, len(c.By), len(c.Details))
	}
	if !slices.ContainsFunc(c.Details, func(d Correction) bool { return d.Doer == Doer{} }) {
		t.Error("nothing is kept of those that are not told apart")
	}
}
