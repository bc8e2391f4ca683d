package report

import (
	"porttrace/internal/diagnose"
	"porttrace/internal/filter"
	"porttrace/internal/flagvalue"
	"porttrace/internal/ktime"
	"porttrace/internal/lifetime"
	"porttrace/internal/party"
	"porttrace/internal/pipeline"
)

var _ pipeline.Sink = (*Collector)(nil)

// Options say what a report is about. The zero value is about all there is.
type Options struct {
	Since, Until ktime.Wall // from one moment to just before another; 0: open
	Scope        Scope
	Ports        flagvalue.Ports // only these, with the history of each; empty: all
	Filter       filter.Filter   // CouldMeet is the Collector's own
	Top          int             // rows of each table
	By           party.Level     // of the first table
	// Sinks get what the report is about too, as the trace of it would have been: each
	// recording with its start record. Those that are a Tearer learn of damaged ends, too.
	Sinks []pipeline.Sink
}

// Tearer is told that the recording it has the records of is torn at its end.
type Tearer interface{ Torn() }

// Collector gathers a report from the records of one recording after the other. It is for
// one goroutine.
type Collector struct {
	opts      Options
	hosts     []*host
	recording *session // nil: none has begun
	file      string
	fresh     bool // no record of the file has come
	out       gathered
}

// host is one boot of one host: process ids, ports and namespaces are its own.
type host struct {
	name, bootID string // as the start records have them; "": unknown
	engine       *diagnose.Engine
	clock        bootClock
}

// gathered is what all recordings add to.
type gathered struct {
	from, to     ktime.Wall
	counts       Counts
	all          Tally
	unknown      portTime // part of all.Held whose states are not known
	lifetimes    distribution
	states       [eventStates]distribution
	search       [paths]distribution
	reasons      map[string]uint64
	processes    ranking[Process]
	programs     ranking[Program]
	groups       ranking[Group] // by Options.By, but for processes
	destinations ranking[Destination]
	ways         ranking[Way]
	failures     failures
	comebacks    Comebacks
	history      history
	recordings   []Recording
}

// New returns a Collector that has seen nothing.
func New(opts Options) *Collector {
	return &Collector{opts: opts, out: gathered{reasons: map[string]uint64{}}}
}

// Begin says that the records from now on come from a file of this name.
func (c *Collector) Begin(file string) { c.file, c.fresh = file, true }

// End says that the file has no more, and whether its end is damaged.
func (c *Collector) End(torn bool) {
	if !torn || c.recording == nil {
		return
	}
	c.recording.about.Torn = append(c.recording.about.Torn, c.file)
	for _, sink := range c.opts.Sinks {
		if t, ok := sink.(Tearer); ok {
			t.Torn()
		}
	}
}

// Write takes a record. It keeps nothing of r. Errors are those of the sinks.
func (c *Collector) Write(r *lifetime.Record) error {
	switch {
	case r.Type == lifetime.Start && c.goesOn(r):
		return nil
	case r.Type == lifetime.Start:
		c.open(r.Start, true)
		c.recording.host.clock.start(r)
	case c.fresh || c.recording == nil:
		c.open(&lifetime.StartInfo{}, false) // whose records these are nobody says
	}
	c.fresh = false
	c.recording.write(r)
	return c.recording.err
}

// Flush flushes the sinks.
func (c *Collector) Flush() error {
	for _, sink := range c.opts.Sinks {
		if err := sink.Flush(); err != nil {
			return err
		}
	}
	return nil
}

// goesOn says whether a start record is that of the next part of the present recording.
// To those that read on it tells nothing new.
func (c *Collector) goesOn(r *lifetime.Record) bool {
	if c.recording == nil || !c.recording.goesOn(r.Start) {
		return false
	}
	if c.recording.about.nextPart(r.Start.Part, c.file) > 0 {
		c.recording.host.clock.start(r) // it may have been set in what is missing
	}
	c.fresh = false
	return true
}

func (c *Collector) open(info *lifetime.StartInfo, started bool) {
	c.close()
	c.recording = newSession(c, c.host(info), info)
	c.recording.about.Started = started
	c.recording.about.addFile(c.file)
}

func (c *Collector) close() {
	if c.recording != nil {
		c.recording.close()
		c.out.recordings = append(c.out.recordings, c.recording.about)
		c.recording = nil
	}
}

func (c *Collector) host(info *lifetime.StartInfo) *host {
	for _, h := range c.hosts {
		if h.name == info.Host && h.bootID == info.BootID && h.name != "" {
			return h
		}
	}
	h := &host{name: info.Host, bootID: info.BootID, engine: diagnose.New()}
	c.hosts = append(c.hosts, h)
	return h
}
