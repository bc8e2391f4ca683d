package page

import (
	"porttrace/internal/event"
	"porttrace/internal/ktime"
	"porttrace/internal/lifetime"
	"porttrace/internal/party"
	"porttrace/internal/pipeline"
	"porttrace/internal/pool"
)

var _ pipeline.Sink = (*Collector)(nil)

// Options say what goes on the page beside the records.
type Options struct {
	Version string // of the porttrace that writes the page
	Filter  string // what was kept of the recordings, as flags; "": all
	Top     int    // rows of a table, at most; 0: 200
	By      party.Level
}

// Collector gathers what the page shows. It takes recordings one after the other, of one
// host or several, each with its start record, and all times by a clock that was never set,
// as package report has them. It is for one goroutine.
type Collector struct {
	opts       Options
	time       timeline
	recordings []*recording
	live       map[uint64]live // of the present recording, by the hold's id
	occupancy  occupancy
	spaces     map[spaceID]*space
	rows       int // of all spaces
	unmapped   int // holds that found no row
	recent     memory
	tables     tables
	spreads    [event.States]spread
	lifetimes  spread
	causes     map[lifetime.Cause]int
	totals     totals
	spans      []span
}

// totals are of all recordings.
type totals struct {
	BeforeStart int `json:"before_start"`
	Assigned    int `json:"assigned"`
	Released    int `json:"released"`
	Held        int `json:"held"` // at the end
	Failures    int `json:"failures"`
}

// live is a hold that has not ended.
type live struct {
	space *space
	use   *use // nil: its port is outside the range
	from  ktime.Wall
	hold  brief
}

// New returns a collector that has seen nothing.
func New(opts Options) *Collector {
	if opts.Top == 0 {
		opts.Top = 200
	}
	return &Collector{
		opts:      opts,
		live:      map[uint64]live{},
		occupancy: newOccupancy(),
		spaces:    map[spaceID]*space{},
		recent:    newMemory(),
		tables:    newTables(opts.By),
		causes:    map[lifetime.Cause]int{},
	}
}

// Torn says that the recording read last was damaged at its end, and that is missing.
func (c *Collector) Torn() {
	if n := len(c.recordings); n > 0 {
		c.recordings[n-1].torn = true
	}
}

// Flush does nothing.
func (c *Collector) Flush() error { return nil }

// Write takes a record. It keeps nothing of r but strings. The error is always nil.
func (c *Collector) Write(r *lifetime.Record) error {
	if r.Time == 0 {
		return nil // nothing that can be shown over time
	}
	c.time.reach(r.Time, c.eachBinned)
	rec := c.recording(r)
	rec.from, rec.to = min(rec.from, r.Time), max(rec.to, r.Time)
	switch r.Type {
	case lifetime.HeldAtStart:
		c.totals.BeforeStart++
		c.begin(rec, r)
	case lifetime.Assign:
		c.totals.Assigned++
		c.begin(rec, r)
	case lifetime.Release:
		c.totals.Released++
		c.end(rec, r)
	case lifetime.HeldAtEnd:
		c.totals.Held++
		c.end(rec, r)
	case lifetime.Failure:
		c.fail(rec, r)
	case lifetime.Pool:
		p := r.Pool
		id := poolID{rec.trace, pool.Key{NetNS: p.NetNS, Proto: p.Proto, Src: p.Src, Dst: p.Dst}}
		c.occupancy.use(id).tell(c.time.bin(r.Time), p)
	case lifetime.Lost:
		rec.lost += r.Lost.Events
		rec.put(r.Lost)
	case lifetime.Clock: // the times that come are by the clock before all the same
		rec.steps = append(rec.steps, clockStep{r.Time, r.Time.Sub(r.Clock.From)})
	case lifetime.End:
		rec.end = r.End
	}
	return nil
}

// begin takes in a hold that was assigned, or was there before the start.
func (c *Collector) begin(rec *recording, r *lifetime.Record) {
	h := r.Hold
	s := c.space(rec, h.NetNS, h.Proto)
	l := live{space: s, from: r.Time, hold: c.brief(rec, h)}
	c.tables.begin(l.hold.party, h)
	if s.lo == 0 || h.Port >= s.lo && h.Port <= s.hi {
		l.use = c.occupancy.use(poolID{rec.trace, pool.KeyOf(h)})
		l.use.holds++
		l.use.add(c.time.bin(r.Time), 1)
	}
	c.live[h.ID] = l
}

// end takes in what a hold was: it ended, or the recording did.
func (c *Collector) end(rec *recording, r *lifetime.Record) {
	h := r.Hold
	l, known := c.live[h.ID]
	delete(c.live, h.ID)
	if !known {
		l.space, l.hold = c.space(rec, h.NetNS, h.Proto), c.brief(rec, h)
		c.tables.begin(l.hold.party, h)
	}
	held := h.HeldFor()
	b := l.hold
	b.from, b.to, b.reason = r.Time-ktime.Wall(held), r.Time, r.Reason
	b.ended = r.Type == lifetime.Release
	b.setStates(&h.States)
	c.spans = appendSpans(c.spans[:0], b.from, b.to, h)
	c.keep(l.space, b)
	if l.use != nil {
		if b.ended {
			l.use.add(c.time.bin(r.Time), -1)
		}
		c.step(l.use, b)
	}
	for s, d := range h.States {
		if d > 0 {
			c.spreads[s].add(d)
		}
	}
	c.lifetimes.add(held)
	c.tables.end(b.party, h, held, b.ended)
}

// step tells a pool which states a hold went through.
func (c *Collector) step(u *use, b brief) {
	for i, s := range c.spans { // the latest first
		to := c.time.bin(s.to)
		if i == 0 && !b.ended {
			to = open
		}
		if from := c.time.bin(s.from); from < to {
			u.states.add(from, to, s.state)
		}
	}
}

// keep draws the spans of a hold on the port map and remembers it.
func (c *Collector) keep(s *space, b brief) {
	s.holds++
	row := s.rows.get(b.port)
	if row == nil {
		if c.rows >= rowsKept {
			c.unmapped++
			return
		}
		c.rows++
		row = s.rows.add(b.port)
	}
	for _, span := range c.spans {
		row.paint(&c.time, span, b.party)
	}
	if c.recent.add(row, b) {
		c.recent.trim(c.eachRow)
	}
}

func (c *Collector) fail(rec *recording, r *lifetime.Record) {
	f := r.Failure
	c.totals.Failures++
	c.causes[f.Cause]++
	h := lifetime.Hold{NetNS: f.NetNS, Proto: f.Proto, Path: f.Path, Src: f.Src, Dst: f.Dst, Owner: f.Owner, NetNSName: f.NetNSName}
	c.occupancy.use(poolID{rec.trace, pool.KeyOf(&h)}).fail(c.time.bin(r.Time))
	c.tables.fail(c.tables.party(rec.host, &h), &h)
}

func (c *Collector) brief(rec *recording, h *lifetime.Hold) brief {
	return brief{
		party: c.tables.party(rec.host, h),
		pid:   h.Owner.PID, port: h.Port, dst: h.Dst, path: h.Path,
	}
}

func (c *Collector) eachRow(f func(*portRow)) {
	for _, s := range c.spaces {
		for _, row := range s.rows.all {
			f(row)
		}
	}
}

func (c *Collector) eachBinned(f func(binned)) {
	for _, u := range c.occupancy.pools {
		f(u)
	}
	c.eachRow(func(r *portRow) { f(r) })
}
