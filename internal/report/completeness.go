package report

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"porttrace/internal/event"
	"porttrace/internal/ktime"
	"porttrace/internal/lifetime"
	"porttrace/internal/terminal"
)

// Recording is what is known of one recording, and of what it lacks.
type Recording struct {
	Host, BootID, Kernel, Hooks string // "": unknown
	Filter                      string // the flags of the tracer
	Files                       []string
	Started                     bool     // there is a start record
	Torn                        []string // those of Files whose end is damaged
	FirstPart                   int      // of those here; 0: it is in no parts
	Missing                     int      // parts between those here
	First, Last                 ktime.Wall
	Lost                        uint64 // events, or records
	LostBy                      map[string]uint64
	Vanished                    uint64 // holds whose end was not seen
	End                         *lifetime.EndInfo
	Steps                       []ClockStep   // of the wall clock
	Shed                        time.Duration // how long the tracer left something out to spare the CPU
	ShedWhat                    []string      // all that was left out
	Differs                     string        // how the end record's totals differ from what is here
	lastPart                    int
	shedding                    time.Duration // so far, in the spell that is not over
}

func newRecording(h *host, info *lifetime.StartInfo) Recording {
	return Recording{
		Host: h.name, BootID: h.bootID, Kernel: info.Kernel, Hooks: info.Hooks, Filter: info.Filter,
		FirstPart: info.Part, lastPart: info.Part, LostBy: map[string]uint64{},
	}
}

func (r *Recording) addFile(name string) {
	if name != "" && !slices.Contains(r.Files, name) {
		r.Files = append(r.Files, name)
	}
}

// nextPart returns how many parts are missing before it.
func (r *Recording) nextPart(part int, file string) (missing int) {
	missing = part - r.lastPart - 1
	r.Missing += missing
	r.lastPart = part
	r.addFile(file)
	return missing
}

func (r *Recording) note(rec *lifetime.Record) {
	if r.First == 0 {
		r.First = rec.Time
	}
	r.Last = max(r.Last, rec.Time)
	switch rec.Type {
	case lifetime.Lost:
		r.Lost += rec.Lost.Events
		if where := rec.Lost.Where; len(r.LostBy) < causesKept || r.LostBy[where] > 0 {
			r.LostBy[where] += rec.Lost.Events
		}
	case lifetime.Shed:
		r.shed(rec.Shed)
	case lifetime.End:
		end := *rec.End
		r.End = &end
	case lifetime.Release:
		if rec.Reason == event.Vanished {
			r.Vanished++
		}
	}
}

// shed takes in what the tracer left out; the last record of a spell tells how long it was.
func (r *Recording) shed(s *lifetime.ShedInfo) {
	for _, what := range s.What {
		if len(r.ShedWhat) < causesKept && !slices.Contains(r.ShedWhat, what) {
			r.ShedWhat = append(r.ShedWhat, what)
		}
	}
	if len(s.What) == 0 {
		r.Shed += s.For
		r.shedding = 0
		return
	}
	r.shedding = s.For
}

// Remarks says, a line each, what is to be known of a recording that lacks nothing by it.
func (r *Recording) Remarks(at func(ktime.Wall) string) []string {
	var lines []string
	for _, step := range r.Steps {
		direction := "forward"
		if step.By < 0 {
			direction = "back"
		}
		lines = append(lines, fmt.Sprintf("the clock was set %s by %v at %s: times here are by the one before", direction, step.By.Abs().Round(time.Millisecond), at(step.At)))
	}
	if len(r.ShedWhat) > 0 {
		lines = append(lines, fmt.Sprintf("to spare the CPU the tracer left out %s, for %v in all", strings.Join(r.ShedWhat, ", "), (r.Shed+r.shedding).Round(time.Millisecond)))
	}
	return lines
}

// totals count a recording as its end record does.
type totals struct{ begun, released, failures uint64 }

func (t *totals) add(r *lifetime.Record) {
	switch r.Type {
	case lifetime.Assign, lifetime.HeldAtStart:
		t.begun++
	case lifetime.Release:
		t.released++
	case lifetime.Failure:
		t.failures++
	}
}

// check compares the end record with what was read.
func (r *Recording) check(t *totals) {
	if r.End == nil {
		return
	}
	r.Lost = max(r.Lost, r.End.Lost)
	var differs []string
	compare := func(what string, said, found uint64) {
		if said != found {
			differs = append(differs, fmt.Sprintf("%d %s of %d", found, what, said))
		}
	}
	compare("holds begun", r.End.BeforeStart+r.End.Assigned, t.begun)
	compare("releases", r.End.Released, t.released)
	compare("failures", r.End.Failures, t.failures)
	r.Differs = strings.Join(differs, ", ")
}

// Shortcomings says, a line each, what the recording lacks. None: it is complete.
func (r *Recording) Shortcomings() []string {
	var lines []string
	say := func(format string, args ...any) { lines = append(lines, fmt.Sprintf(format, args...)) }
	if !r.Started {
		say("no start record: which host this is, and what is missing before the first line, is not known")
	}
	if r.FirstPart > 1 {
		say("begins with part %d: the parts before are missing", r.FirstPart)
	}
	if r.Missing > 0 {
		say("%s in between missing", terminal.Count(uint64(r.Missing), "part"))
	}
	if r.Lost > 0 {
		say("lost %s (%s)", terminal.Count(r.Lost, "event"), r.places())
	}
	if end := r.End; end != nil && end.Discrepancies > 0 {
		say("missed %s though nothing was lost", terminal.Count(end.Discrepancies, "hold"))
	} else if end != nil && !end.Complete && r.Lost == 0 {
		say("the tracer says that it is not complete")
	}
	if r.Vanished > 0 {
		say("the end of %s was not seen: when they ended is approximate", terminal.Count(r.Vanished, "hold"))
	}
	for _, name := range r.Torn {
		whose := ""
		if len(r.Files) > 1 {
			whose = name + ": "
		}
		say("%sthe last line is torn, and was skipped", whose)
	}
	if r.End == nil {
		say("no end record: the tracer was killed or is still at work; what is held at the end has no states")
	}
	if r.Differs != "" {
		say("not all that the end record counts is here: %s", r.Differs)
	}
	return lines
}

// places says where how much was lost.
func (r *Recording) places() string {
	var words []string
	for where, n := range r.LostBy {
		if where == "" {
			where = "unknown place"
		}
		words = append(words, fmt.Sprintf("%s %d", where, n))
	}
	slices.Sort(words)
	if len(words) == 0 {
		return "where is not recorded"
	}
	return strings.Join(words, ", ")
}
