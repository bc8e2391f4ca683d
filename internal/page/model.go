package page

import (
	"time"

	"porttrace/internal/diagnose"
	"porttrace/internal/event"
	"porttrace/internal/lifetime"
	"porttrace/internal/terminal"
)

// model is what the page's scripts read. Times are milliseconds since 1970, durations
// milliseconds, both with fractions; bins are numbered from 0.
type model struct {
	Version    string                     `json:"version"`
	Filter     string                     `json:"filter"`
	Recordings []recordingModel           `json:"recordings"`
	Totals     totals                     `json:"totals"`
	Lifetimes  quantiles                  `json:"lifetimes"`
	Causes     map[lifetime.Cause]int     `json:"causes"`
	Time       timeModel                  `json:"time"`
	Findings   []findingModel             `json:"findings"`
	Pools      []poolModel                `json:"pools"`
	PoolsMore  int                        `json:"pools_more"` // not charted
	States     []stateModel               `json:"states"`
	Tables     map[string]tableModel      `json:"tables"`
	By         string                     `json:"by"` // what the table of owners is of
	Owners     []ownerModel               `json:"owners"`
	StateNames [event.States + 1]string   `json:"state_names"`
	PathNames  [event.Explicit + 1]string `json:"path_names"`
	Reasons    []string                   `json:"reasons"`
	Maps       []mapModel                 `json:"maps"`
	MapsMore   int                        `json:"maps_more"` // too many
	Unmapped   int                        `json:"unmapped"`  // holds that found no row
	Holds      holdsModel                 `json:"holds"`
}

type timeModel struct {
	Origin float64 `json:"origin"`
	Width  float64 `json:"width"`
	Bins   int     `json:"bins"`
}

type recordingModel struct {
	Host       string      `json:"host"`
	Kernel     string      `json:"kernel"`
	Version    string      `json:"version"`
	Hooks      string      `json:"hooks"`
	Filter     string      `json:"filter"`
	From       float64     `json:"from"`
	To         float64     `json:"to"`
	Parts      int         `json:"parts"`
	Absent     int         `json:"absent"` // parts that were not read
	Lost       uint64      `json:"lost"`
	Reconciled uint64      `json:"reconciled"`
	Missed     uint64      `json:"missed"`
	Torn       bool        `json:"torn"`
	Ended      bool        `json:"ended"`
	Complete   bool        `json:"complete"`
	Steps      []stepModel `json:"steps"`
}

// stepModel is a wall clock that was set, at a time by the clock before.
type stepModel struct {
	At float64 `json:"at"`
	By float64 `json:"by"`
}

type findingModel struct {
	ID       diagnose.ID      `json:"id"`
	Severity string           `json:"severity"`
	Title    string           `json:"title"`
	Because  []diagnose.ID    `json:"because"`
	Culprit  string           `json:"culprit"`
	Pool     string           `json:"pool"`
	Evidence []evidenceNumber `json:"evidence"`
	Remedy   string           `json:"remedy"`
}

type evidenceNumber struct {
	Name  string  `json:"name"`
	Value float64 `json:"value"`
}

type quantiles struct {
	Count uint64  `json:"count"`
	P50   float64 `json:"p50"`
	P90   float64 `json:"p90"`
	P99   float64 `json:"p99"`
	Max   float64 `json:"max"`
}

type stateModel struct {
	Name  string  `json:"name"`
	Share float64 `json:"share"` // of the time that ports were held
	quantiles
}

type ownerModel struct {
	Name  string  `json:"name"`
	Where string  `json:"where"` // of a process: pod, container, unit or cgroup
	Time  float64 `json:"time"`
}

func (s *spread) quantiles() quantiles {
	if s.count == 0 {
		return quantiles{}
	}
	return quantiles{
		s.count, millis(s.quantile(.5)), millis(s.quantile(.9)), millis(s.quantile(.99)), millis(s.max),
	}
}

func millis(d time.Duration) float64 { return float64(d) / float64(time.Millisecond) }

// text makes anybody's bytes safe to show: as in a terminal, nothing hides in them.
func text(s string) string { return terminal.EscapeText(s) }

func (c *Collector) model(findings []diagnose.Finding) (*model, error) {
	m := &model{
		Version:    text(c.opts.Version),
		Recordings: []recordingModel{},
		Filter:     text(c.opts.Filter),
		Totals:     c.totals,
		Lifetimes:  c.lifetimes.quantiles(),
		Causes:     c.causes,
		Time:       timeModel{millis(time.Duration(c.time.origin)), millis(c.time.width), c.time.bins},
		Findings:   findingModels(findings),
		States:     c.stateModels(),
		Tables:     c.tables.models(c.opts.Top, len(c.hosts()) > 1),
		By:         c.opts.By.Title(),
		Unmapped:   c.unmapped,
	}
	for _, r := range c.recordings {
		m.Recordings = append(m.Recordings, r.model())
	}
	for s := range event.States {
		m.StateNames[s] = s.String()
	}
	m.StateNames[unknown] = "unknown"
	for p := range m.PathNames {
		m.PathNames[p] = event.Path(p).String()
	}
	for r := event.Reason(0); r <= event.Vanished; r++ {
		m.Reasons = append(m.Reasons, r.String())
	}
	m.Pools, m.PoolsMore = c.poolModels()
	owners := c.rankOwners()
	m.Owners = owners.models
	if err := c.addMaps(m, owners); err != nil {
		return nil, err
	}
	return m, nil
}

func (c *Collector) hosts() map[string]bool {
	hosts := map[string]bool{}
	for _, r := range c.recordings {
		hosts[r.host] = true
	}
	return hosts
}

func (r *recording) model() recordingModel {
	m := recordingModel{
		Host: text(r.host), Kernel: text(r.kernel), Version: text(r.version), Hooks: text(r.hooks),
		Filter: text(r.filter), From: millis(time.Duration(r.from)), To: millis(time.Duration(r.to)),
		Parts: r.parts, Absent: r.absent, Lost: r.lost, Reconciled: r.reconciled,
		Steps: []stepModel{}, Torn: r.torn, Ended: r.end != nil, Complete: r.isComplete(),
	}
	for _, s := range r.steps {
		m.Steps = append(m.Steps, stepModel{millis(time.Duration(s.at)), millis(s.by)})
	}
	if r.end != nil {
		m.Lost = max(m.Lost, r.end.Lost)
		m.Reconciled = max(m.Reconciled, r.end.Reconciled)
		m.Missed = r.end.Discrepancies
	}
	return m
}

func (c *Collector) stateModels() []stateModel {
	var all time.Duration
	for i := range c.spreads {
		all += c.spreads[i].sum
	}
	out := []stateModel{}
	for i := range c.spreads {
		if s := &c.spreads[i]; s.count > 0 {
			out = append(out, stateModel{event.State(i).String(), s.sum.Seconds() / max(all.Seconds(), 1e-9), s.quantiles()})
		}
	}
	return out
}

func findingModels(findings []diagnose.Finding) []findingModel {
	out := []findingModel{}
	for _, f := range findings {
		m := findingModel{
			ID: f.ID, Severity: f.Severity.String(), Title: text(f.Title), Because: f.Because,
			Remedy: text(f.Remedy), Evidence: []evidenceNumber{},
		}
		if f.Culprit != nil {
			m.Culprit = ownerName(f.Culprit)
		}
		if f.Pool != nil {
			m.Pool = poolName(*f.Pool)
		}
		for _, n := range f.Evidence {
			m.Evidence = append(m.Evidence, evidenceNumber{n.Name, n.Value})
		}
		out = append(out, m)
	}
	return out
}
