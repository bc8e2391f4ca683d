package report

import (
	"fmt"
	"strconv"
	"strings"

	"porttrace/internal/event"
	"porttrace/internal/lifetime"
	"porttrace/internal/party"
	"porttrace/internal/terminal"
)

// figures are the columns that all top tables have.
var figures = []string{"HOLDS", "PORT-SECONDS", "SHARE", "TIME_WAIT", "FAILURES"}

// topGrid is a table with a host column only where there are several.
func topGrid(titles ...string) *grid {
	return newGrid(append(append([]string{"<HOST"}, titles...), figures...)...)
}

// top writes one table of the ranking; name returns its own columns.
func top[K comparable](t *text, title string, table *Table[K], titles []string, host func(K) string, name func(*Row[K]) []string) {
	note := ""
	if table.Slack > 0 {
		note = fmt.Sprintf("there are so many that a row may lack up to %s port-seconds", seconds(portTime(table.Slack)))
	}
	t.section(title, note)
	if len(table.Rows) == 0 {
		t.WriteString("  none\n")
		return
	}
	g := topGrid(titles...)
	for i := range table.Rows {
		row := &table.Rows[i]
		whose := ""
		if t.hosts && host != nil {
			whose = hostName(host(row.Key))
		}
		g.add(append(append([]string{whose}, name(row)...), t.figures(&row.Tally)...)...)
	}
	if table.Hidden > 0 {
		cells := make([]string, 1+len(titles))
		cells[1] = terminal.Count(table.Hidden, "other")
		g.add(append(cells, t.figures(&table.Others.Tally)...)...)
	}
	g.write(&t.Builder)
}

func (t *text) figures(u *Tally) []string {
	share, timeWait, failures := "", "", ""
	if t.All.Held > 0 {
		share = percent(float64(u.Held / t.All.Held))
	}
	if part, ok := u.TimeWaitShare(); ok {
		timeWait = percent(part)
	}
	if t.All.Failures > 0 {
		failures = strconv.FormatUint(u.Failures, 10)
	}
	return []string{strconv.FormatUint(u.Holds, 10), seconds(u.Held), share, timeWait, failures}
}

func (t *text) tops() {
	if t.By == party.Process {
		t.topProcesses()
	} else {
		t.topGroups()
	}
	top(t, "Destinations", &t.Destinations, []string{"<PROTO", "<DESTINATION", "<NETNS"},
		func(d Destination) string { return d.Host },
		func(r *Row[Destination]) []string {
			netns, d := "", r.Key
			if d.NetNS != 0 {
				netns = strconv.FormatUint(uint64(d.NetNS), 10)
			}
			return []string{d.Proto.String(), terminal.AddrPort(d.Dst), netns}
		})
	top(t, "Paths", &t.Ways, []string{"<PROTO", "<PATH"}, nil,
		func(r *Row[Way]) []string { return []string{r.Key.Proto.String(), pathName(r.Key.Path)} })
}

func (t *text) topProcesses() {
	top(t, "Processes", &t.Processes, []string{"<OWNER", "<RUNS IN"},
		func(p Process) string { return p.Host },
		func(r *Row[Process]) []string {
			place := r.Place()
			return []string{terminal.Owner(&lifetime.Owner{PID: r.Key.PID, Comm: r.Key.Comm}), terminal.Place(&place)}
		})
	if t.Programs.total() < t.Processes.total() { // else each is one process: the same rows
		top(t, "Programs", &t.Programs, []string{"<NAME", "<CONTAINER"},
			func(p Program) string { return p.Host },
			func(r *Row[Program]) []string { return []string{comm(r.Key.Comm), container(r.Key.Container)} })
	}
}

// topGroups has "-" for all of whom the level is not known.
func (t *text) topGroups() {
	var titles []string
	for _, f := range t.By.Fields(party.Key{}, party.Label{}) {
		titles = append(titles, "<"+strings.ToUpper(strings.ReplaceAll(f.Name, "_", " ")))
	}
	top(t, t.By.Title(), &t.Groups, titles,
		func(g Group) string { return g.Host },
		func(r *Row[Group]) []string {
			var cells []string
			for _, f := range t.By.Fields(r.Key.Key, r.Label) {
				cells = append(cells, groupCell(f))
			}
			if !r.Key.IsKnown() {
				cells[0] = "-"
			}
			return cells
		})
}

func groupCell(f party.Field) string {
	if f.Name == "container" {
		return container(f.Text)
	}
	return terminal.EscapeText(f.Text)
}

// total is how many rows there are, at most.
func (t *Table[K]) total() uint64 { return uint64(len(t.Rows)) + t.Hidden }

func container(id string) string {
	if id == "" {
		return ""
	}
	return terminal.Container(id)
}

func comm(name string) string {
	if name == "" {
		return "?"
	}
	return terminal.EscapeText(name)
}

func pathName(p event.Path) string {
	if p == 0 {
		return "?"
	}
	return p.String()
}

// spreadTitles are the columns of a Spread.
var spreadTitles = []string{"COUNT", "P50", "P90", "P99", "MAX"}

func spreadCells(s *Spread) []string {
	if s.Count == 0 {
		return []string{"0", "-", "-", "-", "-"}
	}
	return []string{strconv.FormatUint(s.Count, 10), terminal.Duration(s.P50), terminal.Duration(s.P90),
		terminal.Duration(s.P99), terminal.Duration(s.Max)}
}

func (t *text) states() {
	t.section("Time held, by state", "holds not over count as far as they got")
	if t.Lifetimes.Count == 0 {
		t.WriteString("  none\n")
		return
	}
	g := newGrid(append(append([]string{"<STATE"}, spreadTitles...), "SHARE")...)
	for i := range t.States {
		s := &t.States[i]
		g.add(append(append([]string{s.State.String()}, spreadCells(&s.Spread)...), percent(s.Share))...)
	}
	g.add(append(append([]string{"all of it"}, spreadCells(&t.Lifetimes)...), "")...)
	g.write(&t.Builder)
}

func (t *text) searches() {
	if len(t.Searches) == 0 {
		return
	}
	t.section("The kernel's search for a port", "")
	g := newGrid(append([]string{"<PATH"}, spreadTitles...)...)
	for i := range t.Searches {
		g.add(append([]string{pathName(t.Searches[i].Path)}, spreadCells(&t.Searches[i].Spread)...)...)
	}
	g.write(&t.Builder)
}

// bars are the columns of a failure's course.
const bars = 40

func (t *text) failed() {
	if len(t.Failures) == 0 {
		return
	}
	interval := "minute"
	if n := int(t.Interval.Minutes()); n > 1 {
		interval = fmt.Sprintf("%d minutes", n)
	}
	t.section("Failures over time", "")
	g := newGrid("<CAUSE", "COUNT", "<FIRST", "<LAST", "<WORST "+strings.ToUpper(interval), "COUNT", "<COURSE")
	for i := range t.Failures {
		f := &t.Failures[i]
		g.add(cause(f.Cause), strconv.FormatUint(f.Count, 10), t.when(f.First, toSecond), t.when(f.Last, toSecond),
			t.when(f.Worst, "15:04"), strconv.FormatUint(f.WorstCount, 10), t.course(f))
	}
	g.write(&t.Builder)
}

func cause(c lifetime.Cause) string {
	if c == "" {
		return "others"
	}
	return terminal.EscapeText(string(c))
}

// course draws how failures are spread over the time of the report; it is left out where
// that is too short for minutes to say anything.
func (t *text) course(f *Failures) string {
	if t.To.Sub(t.From) < 4*t.Interval {
		return ""
	}
	columns := f.counts.columns(t.From, t.To, min(bars, int(t.To.Sub(t.From)/t.Interval)))
	var most uint64
	for _, n := range columns {
		most = max(most, n)
	}
	steps := []rune("▁▂▃▄▅▆▇█")
	var b strings.Builder
	for _, n := range columns {
		if n == 0 {
			b.WriteByte('.')
			continue
		}
		b.WriteRune(steps[(n*uint64(len(steps))-1)/most])
	}
	return b.String()
}

func (t *text) reuse() {
	r := &t.Reuse
	if t.Counts.Assigned == 0 {
		return
	}
	t.section("How soon a port comes back", "from its release to its next assign in the same namespace")
	g := newGrid(append([]string{"<TO"}, spreadTitles...)...)
	add := func(name string, s *Spread) {
		if s.Count > 0 {
			g.add(append([]string{name}, spreadCells(s)...)...)
		}
	}
	add("the same process", &r.SameProcess)
	add("another process", &r.OtherProcess)
	add("an unknown owner", &r.UnknownOwner)
	if len(g.rows) > 1 {
		g.write(&t.Builder)
	}
	t.printf("  %d at once, taken over out of TIME_WAIT; %d shared with a hold to elsewhere; %d given out for the first time\n",
		r.HandedOver, r.Shared, r.First)
	if r.NotWatched > 0 {
		t.printf("  %d assigns are not in this: so many ports in so many namespaces do not fit into memory\n", r.NotWatched)
	}
}
