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
	watch  *probe.TaskWatch // nil: not watching
	until  ktime.Time
	hidden []probe.Task // found so far in this trace
}

// settle tells what was corrected.
func (s *Source) settle() {
	c := s.tracker.Corrections()
	switch {
	case c.Count == 0:
	case s.losses.where != "" || c.Count == c.Expected:
		s.explain(c, Explanation{Known: true})
	case len(s.doubt.hidden) > 0:
		s.explain(c, Explanation{Hidden: s.doubt.hidden})
	default:
		s.doubt.about.Add(c)
	}
}

// judgeIfDue decides what is to be made of corrections in doubt.
func (s *Source) judgeIfDue(now ktime.Time) error {
	d := &s.doubt
	if d.about.Count == 0 {
		return nil
	}
	if d.watch == nil {
		watch, err := s.probe.WatchTasks()
		if err != nil {
			return err
		}
		d.watch, d.until = watch, now.Add(watched)
		return nil
	}
	hidden, err := d.watch.Hidden()
	if err == nil && len(hidden) == 0 && now < d.until {
		return nil
	}
	d.hidden = hidden
	s.explain(d.about, Explanation{Hidden: hidden})
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
	told := lifetime.LostInfo{Where: s.losses.where, Reconciled: int64(c.Count)}
	switch missed := c.Count - c.Expected; {
	case why.Known:
	case len(why.Hidden) > 0:
		told.Events, told.Where = missed, "hidden"
		s.losses.total += missed
	default:
		s.audits.discrepancies += missed
	}
	if s.options.Corrected != nil {
		s.options.Corrected(c, why)
	}
	s.emit(&lifetime.Record{Type: lifetime.Lost, Time: s.options.Clock.Wall(ktime.Now()), Lost: &told})
}
