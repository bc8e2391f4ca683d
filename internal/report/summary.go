package report

import (
	"time"

	"porttrace/internal/diagnose"
	"porttrace/internal/event"
	"porttrace/internal/ktime"
	"porttrace/internal/party"
)

// Counts are those of holds. Held = Before + Assigned - Released.
type Counts struct {
	Before   uint64 // held when the recording, or the time asked for, began
	Assigned uint64
	Released uint64
	Held     uint64 // when it ended
}

// Lifetimes is how many holds there were.
func (c *Counts) Lifetimes() uint64 { return c.Before + c.Assigned }

// Found is what was found about one host.
type Found struct {
	Host string
	diagnose.Finding
}

// State is how long holds were in one state.
type State struct {
	State  event.State
	Spread         // of the holds that were in it at all
	Share  float64 // of the time whose states are known; all shares add up to 1
}

// Search is how long the kernel searched for ports.
type Search struct {
	Path event.Path // 0: unknown
	Spread
}

// Summary is a report, in plain values.
type Summary struct {
	From, To   ktime.Wall // what it is about; 0: unknown
	First, End ktime.Wall // of all that is recorded
	Recordings []Recording
	Complete   bool
	Lost       uint64

	Counts    Counts
	All       Tally
	Unknown   portTime          // part of All.Held whose states are not recorded
	Reasons   map[string]uint64 // how often holds ended why; "": unknown
	Lifetimes Spread
	States    []State

	Findings     []Found
	Processes    Table[Process]
	Programs     Table[Program]
	By           party.Level
	Groups       Table[Group] // by By, but for processes
	Destinations Table[Destination]
	Ways         Table[Way]

	Searches []Search
	Failures []Failures
	Interval time.Duration // that Failures.Worst is one of
	Reuse    Comebacks

	Ports       []PortHistory // nil: none was asked for
	PortsNamed  bool
	HistoryLeft uint64 // holds that no longer fitted into Ports
}

// Summary ends the report. The Collector takes no records after it.
func (c *Collector) Summary() *Summary {
	c.close()
	out, top := &c.out, c.opts.Top
	out.comebacks.settle()
	s := &Summary{
		From: out.from, To: out.to, First: out.from, End: out.to, Recordings: out.recordings, Complete: true,
		Counts: out.counts, All: out.all, Unknown: out.unknown, Reasons: out.reasons,
		Lifetimes:    out.lifetimes.spread(),
		Processes:    out.processes.top(top, Process.compare),
		Programs:     out.programs.top(top, Program.compare),
		By:           c.opts.By,
		Groups:       out.groups.top(top, Group.compare),
		Destinations: out.destinations.top(top, Destination.compare),
		Ways:         out.ways.top(len(out.ways.rows), Way.compare),
		Reuse:        out.comebacks,
		PortsNamed:   !c.opts.Ports.Empty(),
		Ports:        out.history.ports(),
		HistoryLeft:  out.history.left,
	}
	s.Counts.Held = s.Counts.Before + s.Counts.Assigned - s.Counts.Released
	s.Failures, s.Interval = out.failures.list()
	if since := c.opts.Since; since != 0 {
		s.From = max(s.From, since)
	}
	if until := c.opts.Until; until != 0 {
		s.To = min(s.To, until)
	}
	for i := range s.Recordings {
		s.Lost += s.Recordings[i].Lost
		s.Complete = s.Complete && len(s.Recordings[i].Shortcomings()) == 0
	}
	s.spread(out)
	for _, h := range c.hosts {
		for _, f := range h.engine.Findings() {
			s.Findings = append(s.Findings, Found{h.name, f})
		}
	}
	return s
}

func (s *Summary) spread(out *gathered) {
	for state := range out.states {
		if d := &out.states[state]; d.h != nil {
			share := d.sum / max(1, float64(out.all.InStates))
			s.States = append(s.States, State{event.State(state), d.spread(), share})
		}
	}
	for path := range out.search {
		if d := &out.search[path]; d.h != nil {
			s.Searches = append(s.Searches, Search{event.Path(path), d.spread()})
		}
	}
}

// Files returns the names of the files, each once.
func (s *Summary) Files() []string {
	var names []string
	seen := map[string]bool{}
	for i := range s.Recordings {
		for _, name := range s.Recordings[i].Files {
			if !seen[name] {
				seen[name] = true
				names = append(names, name)
			}
		}
	}
	return names
}

// Outside says that nothing was recorded in the time asked for.
func (s *Summary) Outside() bool { return s.From > s.End || s.To < s.First }

// Hosts returns the names of the hosts, each once; "" is an unknown one.
func (s *Summary) Hosts() []string {
	var names []string
	seen := map[string]bool{}
	for i := range s.Recordings {
		if name := s.Recordings[i].Host; !seen[name] {
			seen[name] = true
			names = append(names, name)
		}
	}
	return names
}
