package report

import (
	"fmt"
	"slices"
	"strings"

	"porttrace/internal/event"
	"porttrace/internal/ktime"
	"porttrace/internal/lifetime"
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
	Differs                     string // how the end record's totals differ from what is here
	lastPart                    int
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

func (r *Recording) nextPart(part int, file string) {
	r.Missing += part - r.lastPart - 1
	r.lastPart = part
	r.addFile(file)
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
	case lifetime.End:
		end := *rec.End
		r.End = &end
	case lifetime.Release:
		if rec.Reason == event.Vanished {
			r.Vanished++
		}
	}
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
		say("%s in between missing", plural(uint64(r.Missing), "part"))
	}
	if r.Lost > 0 {
		say("lost %s (%s)", plural(r.Lost, "event"), r.places())
	}
	if end := r.End; end != nil && end.Discrepancies > 0 {
		say("missed %s though nothing was lost", plural(end.Discrepancies, "hold"))
	} else if end != nil && !end.Complete && r.Lost == 0 {
		say("the tracer says that it is not complete")
	}
	if r.Vanished > 0 {
		say("the end of %s was not seen: when they ended is approximate", plural(r.Vanished, "hold"))
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
