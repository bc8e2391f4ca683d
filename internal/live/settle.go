package live

import (
	"errors"
	"time"

	"porttrace/internal/ktime"
	"porttrace/internal/lifetime"
	"porttrace/internal/probe"
)

// Explanation is why the held set had to be put right.
type Explanation struct {
	// Known: losses that were counted, or ends that no hook can see, explain it. Else
	// and without Hidden it is a fault of the hooks.
	Known bool
	// Hidden are tasks that the kernel hides from tracing: what happened while they ran
	// was lost, and nobody counted it.
	Hidden []probe.Task
}

// watched is how long the scheduler is watched for hidden tasks, watchedAtEnd where somebody
// waits for the end: such a task may sleep for seconds.
const (
	watched      = 10 * time.Second
	watchedAtEnd = 2 * time.Second
)

// doubt is corrections that no counted loss explains: before they are called a fault of
// ours, the scheduler is watched for tasks that the kernel hides.
type doubt struct {
	about  lifetime.Corrections
	begin  func() (watcher, error)
	watch  watcher // nil: not watching
	until  ktime.Time
	hiding hiding
}

// watcher is a probe.TaskWatch.
type watcher interface {
	Hidden() ([]probe.Task, error)
	Stop() error
}

func newDoubt(p *probe.Probe) doubt {
	return doubt{
		begin: func() (watcher, error) {
			w, err := p.WatchTasks()
			if err != nil {
				return nil, err
			}
			return w, nil
		},
		hiding: hiding{process: processOf},
	}
}

// settle tells what was corrected.
func (s *Source) settle() {
	c := s.tracker.Corrections()
	switch {
	case c.Count == 0:
	case s.losses.where != "" || c.Missed() == 0:
		s.explain(c, Explanation{Known: true})
	default:
		s.doubt.about.Add(c)
	}
}

// settleRound is settle after a round of audits. What was lost before the round is put right
// by now, but for what there was no room for: it explains nothing that comes later.
func (s *Source) settleRound() {
	s.settle()
	if !s.audits.unsettled && !s.audits.refused {
		s.losses.where, s.losses.most = "", 0
	}
}

// judgeIfDue decides what is to be made of corrections in doubt: as soon as hidden tasks
// explain all of them, or when these have been waited for long enough.
func (s *Source) judgeIfDue(now ktime.Time) error {
	d := &s.doubt
	if d.about.Count == 0 {
		return nil
	}
	if d.watch == nil {
		watch, err := d.begin()
		if err != nil {
			return err
		}
		d.watch, d.until = watch, now.Add(watched)
		return nil
	}
	seen, err := d.watch.Hidden()
	d.hiding.saw(seen, now)
	explained, rest := d.about.Split(func(by lifetime.Doer) bool { return d.hiding.explains(by, now) })
	if err == nil && now < d.until && (len(seen) == 0 || rest.Count > 0) {
		return nil
	}
	if explained.Missed() == 0 { // the kernel's own sockets
		rest.Add(explained)
	} else {
		s.explain(explained, Explanation{Hidden: d.hiding.tasks(now)})
	}
	if rest.Count > 0 {
		s.explain(rest, Explanation{})
	}
	d.about = lifetime.Corrections{}
	err = errors.Join(err, d.watch.Stop())
	d.watch = nil
	return err
}

// judgeAtEnd is judgeIfDue until there is no doubt.
func (s *Source) judgeAtEnd() error {
	latest := ktime.Now().Add(watchedAtEnd)
	for s.doubt.about.Count > 0 {
		if err := s.judgeIfDue(ktime.Now()); err != nil {
			return err
		}
		s.doubt.until = min(s.doubt.until, latest)
		time.Sleep(watchedAtEnd / 20)
	}
	return nil
}

func (s *Source) explain(c lifetime.Corrections, why Explanation) {
	told := lifetime.LostInfo{Reconciled: int64(c.Count)}
	switch {
	case why.Known:
		told.Where = s.losses.where
	case len(why.Hidden) > 0:
		told.Events, told.Where = c.Missed(), "hidden"
		s.losses.total += c.Missed()
	default:
		s.audits.discrepancies += c.Missed()
	}
	if s.options.Corrected != nil {
		s.options.Corrected(c, why)
	}
	s.emit(&lifetime.Record{Type: lifetime.Lost, Time: s.options.Clock.Wall(ktime.Now()), Lost: &told})
}
