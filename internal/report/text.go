package report

import (
	"fmt"
	"io"
	"strconv"
	"strings"
	"time"

	"porttrace/internal/ktime"
	"porttrace/internal/terminal"
)

// TextOptions say how a report looks. The zero value suits a file.
type TextOptions struct {
	Color    bool
	Location *time.Location // of the times, nil for UTC
	Narrowed string         // the flags that made the report one of a part, "" for none
}

// text is a report being written for people.
type text struct {
	strings.Builder
	*Summary
	opts  TextOptions
	hosts bool // several: each row says whose it is
	days  bool // several: each time has its date
}

// WriteText writes the report for people. Names are escaped: they are others' text.
func (s *Summary) WriteText(w io.Writer, opts TextOptions) error {
	if opts.Location == nil {
		opts.Location = time.UTC
	}
	t := &text{Summary: s, opts: opts, hosts: len(s.Hosts()) > 1}
	t.days = t.at(s.From).Format(time.DateOnly) != t.at(s.To).Format(time.DateOnly)
	t.header()
	t.completeness()
	t.totals()
	t.findings()
	t.histories()
	t.tops()
	t.states()
	t.searches()
	t.failed()
	t.reuse()
	if _, err := io.WriteString(w, t.String()); err != nil {
		return fmt.Errorf("writing the report: %w", err)
	}
	return nil
}

func (t *text) printf(format string, args ...any) { fmt.Fprintf(&t.Builder, format, args...) }

// The colours, as the parameters of an SGR sequence.
const (
	bold   = "1"
	red    = "1;31"
	yellow = "33"
	green  = "32"
)

func (t *text) paint(color, s string) string {
	if !t.opts.Color {
		return s
	}
	return "\x1b[" + color + "m" + s + "\x1b[0m"
}

// section begins a part of the report.
func (t *text) section(title, note string) {
	t.WriteString("\n" + t.paint(bold, title))
	if note != "" {
		t.WriteString(" (" + note + ")")
	}
	t.WriteByte('\n')
}

func (t *text) at(w ktime.Wall) time.Time { return w.Time().In(t.opts.Location) }

// when writes a time, with its date where the report spans several.
func (t *text) when(w ktime.Wall, form string) string {
	if w == 0 {
		return "?"
	}
	if t.days {
		form = time.DateOnly + " " + form
	}
	return t.at(w).Format(form)
}

// The forms of times.
const (
	toSecond = time.TimeOnly
	toMilli  = "15:04:05.000"
)

func (t *text) header() {
	var names []string
	for _, name := range t.Hosts() {
		names = append(names, hostName(name))
	}
	span := "no time"
	if t.From != 0 && t.To >= t.From {
		span = fmt.Sprintf("%s to %s %s (%s)", t.at(t.From).Format(time.DateTime), t.when(t.To, toSecond),
			t.at(t.To).Format("MST"), terminal.Duration(t.To.Sub(t.From)))
	}
	t.printf("%s\n%s, from %s\n", t.paint(bold, "Ports of "+strings.Join(names, ", ")), span, terminal.Count(uint64(len(t.Files())), "file"))
	once := once{}
	for i := range t.Recordings {
		if r := &t.Recordings[i]; r.Started {
			t.WriteString(once.say("%s: Linux %s, hooks %s\n", hostName(r.Host), orUnknown(r.Kernel), orUnknown(r.Hooks)))
		}
	}
}

// once is the lines that are not to be said again: many recordings may have the same.
type once map[string]bool

func (o once) say(format string, args ...any) string {
	line := fmt.Sprintf(format, args...)
	if o[line] {
		return ""
	}
	o[line] = true
	return line
}

// completeness comes first: what follows is worth no more.
func (t *text) completeness() {
	if t.Complete {
		t.WriteString(t.paint(green, "complete: nothing was lost") + "\n")
	} else {
		t.WriteString(t.paint(red, "INCOMPLETE:") + "\n")
	}
	once := once{}
	for i := range t.Recordings {
		r := &t.Recordings[i]
		whose := ""
		if len(t.Recordings) > 1 {
			whose = hostName(r.Host) + ", " + terminal.EscapeText(strings.Join(r.Files, ", ")) + ": "
		}
		for _, line := range r.Shortcomings() {
			t.WriteString(once.say("  %s%s\n", whose, terminal.EscapeText(line)))
		}
		for _, line := range r.Remarks(func(w ktime.Wall) string { return t.when(w, toMilli) }) {
			t.WriteString(once.say("  %s%s\n", whose, terminal.EscapeText(line)))
		}
		if r.Filter != "" {
			t.WriteString(once.say("  %straced with %s: the recording has nothing else\n", whose, terminal.EscapeText(r.Filter)))
		}
	}
	if t.opts.Narrowed != "" {
		t.printf("  this report is narrowed by %s\n", terminal.EscapeText(t.opts.Narrowed))
	}
}

func (t *text) totals() {
	c := &t.Counts
	t.WriteByte('\n')
	t.printf("lifetimes  %d: %d held before, %d assigned; %d released, %d still held at the end\n",
		c.Lifetimes(), c.Before, c.Assigned, c.Released, c.Held)
	t.printf("failures   %d\n", t.All.Failures)
	t.printf("port time  %s port-seconds", seconds(t.All.Held))
	if share, ok := t.All.TimeWaitShare(); ok {
		t.printf(", %s of it in TIME_WAIT", percent(share))
	}
	if t.Unknown > 0 {
		t.printf("; of %s the states are not recorded", seconds(t.Unknown))
	}
	t.WriteByte('\n')
	if len(t.Reasons) > 0 {
		t.printf("ended      %s\n", counts(t.Reasons))
	}
}

func hostName(name string) string {
	if name == "" {
		return "an unknown host"
	}
	return terminal.EscapeText(name)
}

func orUnknown(s string) string {
	if s == "" {
		return "unknown"
	}
	return terminal.EscapeText(s)
}

// seconds writes port-seconds, the fewer the finer.
func seconds(t portTime) string {
	digits := 0
	switch s := t.Seconds(); {
	case s < 10:
		digits = 3
	case s < 10_000:
		digits = 1
	}
	return strconv.FormatFloat(t.Seconds(), 'f', digits, 64)
}

func percent(share float64) string {
	return strconv.FormatFloat(100*share, 'f', 1, 64) + " %"
}
