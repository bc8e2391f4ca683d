package live

import (
	"errors"
	"testing"
	"time"

	"porttrace/internal/event"
	"porttrace/internal/ktime"
	"porttrace/internal/lifetime"
	"porttrace/internal/probe"
)

// scheduler is what a watch of it finds; each watch is counted.
type scheduler struct {
	tasks    []probe.Task
	watching bool
	watches  int
	fails    error
}

func (w *scheduler) begin() (watcher, error) {
	w.watches++
	w.watching = true
	return w, nil
}

func (w *scheduler) Hidden() ([]probe.Task, error) { return w.tasks, w.fails }

func (w *scheduler) Stop() error { w.watching = false; return nil }

// Worker is the hidden thread of a process, in a namespace.
var (
	worker = probe.Task{TID: 75, Comm: "worker"}
	itsOwn = process{pid: 70, netns: 4026531840}
)

type anyone struct{}

func (anyone) NetNS(uint32, ktime.Time) lifetime.Interned[string] { return lifetime.Interned[string]{} }

func (anyone) Describe(o event.Owner) lifetime.Owner { return lifetime.Owner{PID: o.PID} }

// judged is a source without a kernel, and what it told.
type judged struct {
	*Source
	sched *scheduler
	next  uint64
	lost  []lifetime.LostInfo
	whys  []Explanation
	about []lifetime.Corrections
}

func newJudged() *judged {
	j := &judged{sched: new(scheduler)}
	s := &Source{emit: func(r *lifetime.Record) {
		if r.Type == lifetime.Lost {
			j.lost = append(j.lost, *r.Lost)
		}
	}}
	s.options = Options{Clock: new(ktime.Clock), Corrected: func(c lifetime.Corrections, why Explanation) {
		j.whys, j.about = append(j.whys, why), append(j.about, c)
	}}
	s.tracker = lifetime.NewTracker(s.options.Clock, anyone{}, false, s.emit)
	s.tracker.Started()
	s.doubt = doubt{begin: j.sched.begin, hiding: hiding{process: func(probe.Task) process { return itsOwn }}}
	j.Source = s
	return j
}

// hold is one of a process in a namespace.
func (j *judged) hold(proto event.Proto, state event.State, pid, netns uint32) *event.Event {
	j.next++
	return &event.Event{Kind: event.Assign, Time: began, Hold: event.Hold{
		ID: event.ID{Cookie: j.next, Born: began}, Assigned: began, Search: event.NoSearch, Proto: proto, State: state,
		NetNS: netns, Port: uint16(40000 + j.next), Owner: event.Owner{PID: pid},
	}}
}

// gone has two audits find no such hold any more.
func (j *judged) gone(holds ...*event.Event) {
	for _, e := range holds {
		j.tracker.Handle(e)
	}
	for i := range 2 {
		j.tracker.BeginAudit(in(time.Duration(i+1) * time.Millisecond))
		j.tracker.EndAudit()
	}
	j.settle()
}

// untold has an audit take holds in.
func (j *judged) untold(holds ...*event.Event) {
	for _, e := range holds {
		e.Kind = event.Found
		j.tracker.Handle(e)
	}
	j.settle()
}

// judge lets time pass until there is no doubt, and returns how long that took.
func (j *judged) judge(t *testing.T, from time.Duration) time.Duration {
	t.Helper()
	for d := time.Duration(0); d <= 2*watched; d += pollInterval {
		if err := j.judgeIfDue(in(from + d)); err != nil && !errors.Is(err, j.sched.fails) {
			t.Fatal(err)
		}
		if j.doubt.about.Count == 0 {
			if j.sched.watching {
				t.Error("the scheduler is watched for nothing")
			}
			return d
		}
	}
	t.Fatalf("still in doubt: %+v", j.doubt.about)
	return 0
}

const (
	ourPID = 4711
	ourNS  = 4026532000
)

// What a hidden task can be blamed for, and what not, whether it is about or not.
func TestWhatHiddenTasksExplain(t *testing.T) {
	for name, c := range map[string]struct {
		do     func(j *judged)
		hidden uint64
	}{
		"a timer ran out":             {func(j *judged) { j.gone(j.hold(event.TCP, event.TimeWait, ourPID, ourNS)) }, 1},
		"a connection was reset":      {func(j *judged) { j.gone(j.hold(event.TCP, event.Established, ourPID, ourNS)) }, 1},
		"a bound socket is gone":      {func(j *judged) { j.gone(j.hold(event.TCP, event.Bound, ourPID, ourNS)) }, 0},
		"a listener is gone":          {func(j *judged) { j.gone(j.hold(event.TCP, event.Listening, ourPID, ourNS)) }, 0},
		"a UDP socket is gone":        {func(j *judged) { j.gone(j.hold(event.UDP, event.Bound, ourPID, ourNS)) }, 0},
		"a UDP port":                  {func(j *judged) { j.untold(j.hold(event.UDP, event.Bound, ourPID, ourNS)) }, 0},
		"a connection":                {func(j *judged) { j.untold(j.hold(event.TCP, event.Established, ourPID, ourNS)) }, 0},
		"a TIME_WAIT":                 {func(j *judged) { j.untold(j.hold(event.TCP, event.TimeWait, 0, ourNS)) }, 0},
		"its own UDP port":            {func(j *judged) { j.untold(j.hold(event.UDP, event.Bound, itsOwn.pid, ourNS)) }, 1},
		"its own socket is gone":      {func(j *judged) { j.gone(j.hold(event.UDP, event.Bound, itsOwn.pid, ourNS)) }, 1},
		"somebody's where it lives":   {func(j *judged) { j.untold(j.hold(event.TCP, event.Established, 0, itsOwn.netns)) }, 1},
		"another's where it lives":    {func(j *judged) { j.untold(j.hold(event.TCP, event.Established, ourPID, itsOwn.netns)) }, 0},
		"nobody's, nobody knows from": {func(j *judged) { j.untold(j.hold(event.TCP, event.TimeWait, 0, 0)) }, 0},
	} {
		for _, about := range []bool{true, false} {
			t.Run(name, func(t *testing.T) {
				j, want := newJudged(), c.hidden
				if about {
					j.sched.tasks = []probe.Task{worker}
				} else {
					want = 0
				}
				c.do(j)
				took := j.judge(t, 0)
				if (took < watched) != (want > 0) {
					t.Errorf("judged after %v", took)
				}
				if j.losses.total != want || j.audits.discrepancies != 1-want || len(j.lost) != 1 || len(j.about[0].Details) != 1 {
					t.Errorf("lost %d, discrepancies %d, told %+v, %+v", j.losses.total, j.audits.discrepancies, j.lost, j.about)
				}
				if got := j.lost[0]; got.Reconciled != 1 || got.Events != want || (got.Where == "hidden") != (want > 0) {
					t.Errorf("told %+v", got)
				}
				if hidden := len(j.whys[0].Hidden) > 0; hidden != (want > 0) || j.whys[0].Known {
					t.Errorf("because %+v", j.whys[0])
				}
			})
		}
	}
}

// Both at a time: each is called what it is, with details.
func TestFaultsBesideWhatIsHidden(t *testing.T) {
	j := newJudged()
	j.sched.tasks = []probe.Task{worker}
	var holds []*event.Event
	for range 23 {
		holds = append(holds, j.hold(event.TCP, event.TimeWait, ourPID, ourNS))
	}
	fault := j.hold(event.UDP, event.Bound, ourPID, ourNS)
	j.gone(append(holds, fault)...)
	j.judge(t, 0)
	if j.losses.total != 23 || j.audits.discrepancies != 1 || len(j.about) != 2 {
		t.Fatalf("lost %d, discrepancies %d: %+v", j.losses.total, j.audits.discrepancies, j.about)
	}
	if d := j.about[1].Details; len(d) != 1 || d[0].Hold.Port != fault.Hold.Port {
		t.Errorf("the fault is told as %+v", d)
	}
	if d := j.about[0].Details; len(d) == 0 || len(d) > 5 {
		t.Errorf("what is hidden is told in %d details", len(d))
	}
}

// A verdict is about what it was found for: each doubt has the scheduler watched.
func TestEachDoubtIsWatchedFor(t *testing.T) {
	j := newJudged()
	j.sched.tasks = []probe.Task{worker}
	for i := range 3 {
		j.gone(j.hold(event.TCP, event.TimeWait, ourPID, ourNS))
		j.judge(t, time.Duration(i)*time.Hour)
	}
	if j.sched.watches != 3 || j.losses.total != 3 {
		t.Errorf("%d watches, %d lost", j.sched.watches, j.losses.total)
	}
	j.sched.tasks = nil // it ended
	j.gone(j.hold(event.TCP, event.TimeWait, ourPID, ourNS))
	j.judge(t, 4*time.Hour)
	if j.losses.total != 3 || j.audits.discrepancies != 1 {
		t.Errorf("long after the last hidden task: %d lost, %d discrepancies", j.losses.total, j.audits.discrepancies)
	}
}

// A task that sleeps through a watch and was seen a moment ago is still about.
func TestHiddenTaskMaySleepThroughAWatch(t *testing.T) {
	j := newJudged()
	j.sched.tasks = []probe.Task{worker}
	j.gone(j.hold(event.TCP, event.TimeWait, ourPID, ourNS))
	j.judge(t, 0)
	j.sched.tasks = nil
	j.gone(j.hold(event.TCP, event.TimeWait, ourPID, ourNS))
	if took := j.judge(t, remembered/2); took < watched || j.losses.total != 2 || len(j.whys[1].Hidden) != 1 {
		t.Errorf("after %v: %d lost, %+v", took, j.losses.total, j.whys)
	}
}

// What ends seen by audits only is no loss and no fault, in whatever company.
func TestExpectedCorrectionsAreNoFault(t *testing.T) {
	kernels := func(j *judged) *event.Event {
		e := j.hold(event.UDP, event.Bound, 0, ourNS)
		e.Hold.Unclosed = true
		return e
	}
	j := newJudged()
	j.gone(kernels(j))
	if len(j.whys) != 1 || !j.whys[0].Known || j.audits.discrepancies != 0 {
		t.Errorf("alone: %+v", j.whys)
	}
	for _, state := range []event.State{event.TimeWait, event.Bound} {
		j = newJudged()
		j.sched.tasks = []probe.Task{worker}
		j.gone(kernels(j), j.hold(event.TCP, state, ourPID, ourNS))
		j.judge(t, 0)
		var reconciled int64
		for _, l := range j.lost {
			reconciled += l.Reconciled
		}
		if j.losses.total+j.audits.discrepancies != 1 || reconciled != 2 || len(j.lost) != 1 {
			t.Errorf("with one in %s: %d lost, %d discrepancies, told %+v", state, j.losses.total, j.audits.discrepancies, j.lost)
		}
	}
}

// A watch that fails explains nothing.
func TestWatchThatFails(t *testing.T) {
	j := newJudged()
	j.sched.fails = errors.New("no")
	j.gone(j.hold(event.TCP, event.TimeWait, ourPID, ourNS))
	j.judge(t, 0)
	if j.audits.discrepancies != 1 {
		t.Errorf("%d discrepancies", j.audits.discrepancies)
	}
}

// A loss explains what the round after it puts right, and nothing later.
func TestLossExplainsOneSettledRound(t *testing.T) {
	j := newJudged()
	j.losses.where, j.losses.most = "ring", 5
	j.audits.unsettled = true // as one was read in this round
	j.gone(j.hold(event.UDP, event.Bound, ourPID, ourNS))
	j.settleRound()
	if len(j.whys) != 1 || !j.whys[0].Known || j.losses.where == "" {
		t.Fatalf("lost meanwhile: %+v, where %q", j.whys, j.losses.where)
	}
	j.audits.unsettled = false // the next one, with traffic all along
	j.settleRound()
	j.gone(j.hold(event.UDP, event.Bound, ourPID, ourNS))
	j.judge(t, 0)
	if j.losses.where != "" || j.losses.most != 0 || j.audits.discrepancies != 1 {
		t.Errorf("where %q, %d discrepancies, %+v", j.losses.where, j.audits.discrepancies, j.whys)
	}
}

// What there is no room for is found as long as it is held, and taken in when there is room:
// the loss that says so explains that, too.
func TestLossExplainsWhatIsRefused(t *testing.T) {
	j := newJudged()
	j.losses.where, j.losses.most = "map", 5
	j.audits.refused = true
	for range 3 {
		j.settleRound()
	}
	j.gone(j.hold(event.UDP, event.Bound, ourPID, ourNS))
	j.audits.refused = false
	j.settleRound()
	if len(j.whys) != 1 || !j.whys[0].Known || j.losses.where != "" {
		t.Errorf("%+v, and then where is %q", j.whys, j.losses.where)
	}
}
