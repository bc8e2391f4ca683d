package page

import (
	"cmp"
	"fmt"
	"net/netip"
	"path"
	"slices"
	"strconv"
	"time"

	"porttrace/internal/event"
	"porttrace/internal/lifetime"
	"porttrace/internal/pool"
)

// tableModel is a table that the page sorts and filters. Cells are texts, or numbers whose
// kind says what of.
type tableModel struct {
	Columns []column `json:"columns"`
	Rows    [][]any  `json:"rows"`
	More    int      `json:"more"` // rows that are not shown
}

type column struct {
	Name string `json:"name"`
	Kind string `json:"kind"` // text, count, duration (ms), share, plain
}

var sumColumns = []column{
	{"holds", "count"}, {"held at end", "count"}, {"port time", "duration"},
	{"in TIME_WAIT", "share"}, {"longest", "duration"}, {"failures", "count"},
}

func (s *sums) cells() []any {
	share := 0.0
	if s.time > 0 {
		share = float64(s.timeWait) / float64(s.time)
	}
	return []any{s.holds, s.held, millis(s.time), share, millis(s.longest), s.failures}
}

// models returns the tables by name. withHost says that hosts must be told apart.
func (t *tables) models(top int, withHost bool) map[string]tableModel {
	return map[string]tableModel{
		"processes":    t.processTable(top, withHost),
		"destinations": t.destinationTable(top),
		"paths":        t.pathTable(),
	}
}

func (t *tables) processTable(top int, withHost bool) tableModel {
	m := tableModel{Rows: [][]any{}, Columns: []column{{"process", "text"}, {"pid", "text"}, {"user", "text"}, {"where", "text"}}}
	if withHost {
		m.Columns = append(m.Columns, column{"host", "text"})
	}
	m.Columns = append(m.Columns, sumColumns...)
	ranked := slices.Clone(t.processes)
	slices.SortStableFunc(ranked, func(x, y *process) int { return y.rank(&x.sums) })
	if n := len(ranked) - top; n > 0 {
		ranked, m.More = ranked[:top], n
	}
	if t.others.holds > 0 {
		ranked = append(ranked, &t.others)
	}
	for _, p := range ranked {
		row := []any{p.name(), p.pidText(), p.user(), p.where()}
		if p == &t.others {
			row = []any{"all further processes", "", "", ""}
		}
		if withHost {
			row = append(row, text(p.host))
		}
		m.Rows = append(m.Rows, append(row, p.cells()...))
	}
	return m
}

// rank orders by the time that ports were held, then by failures.
func (s *sums) rank(o *sums) int {
	return cmp.Or(cmp.Compare(s.time, o.time), cmp.Compare(s.failures, o.failures), cmp.Compare(s.holds, o.holds))
}

func (p *process) name() string {
	if !p.known {
		return "unknown"
	}
	return text(p.comm)
}

func (p *process) pidText() string {
	switch {
	case !p.known:
		return ""
	case p.pids:
		return "several"
	}
	return strconv.Itoa(int(p.pid))
}

func (p *process) user() string {
	if !p.known {
		return ""
	}
	return strconv.Itoa(int(p.uid))
}

// where names the container, or else the last part of the control group's path: the unit.
func (p *processID) where() string {
	switch {
	case p.container != "":
		return text(p.container[:min(len(p.container), 12)])
	case p.cgroup != "":
		return text(path.Base(p.cgroup))
	}
	return ""
}

func (t *tables) destinationTable(top int) tableModel {
	m := tableModel{Rows: [][]any{}, Columns: append([]column{{"destination", "text"}, {"port", "plain"}}, sumColumns...)}
	var all []netip.AddrPort
	for dst := range t.destinations {
		all = append(all, dst)
	}
	slices.SortFunc(all, func(x, y netip.AddrPort) int {
		return cmp.Or(t.destinations[y].rank(t.destinations[x]), x.Compare(y))
	})
	if n := len(all) - top; n > 0 {
		all, m.More = all[:top], n
	}
	m.More += t.foldedDst
	for _, dst := range all {
		row := []any{dst.Addr().String(), dst.Port()}
		m.Rows = append(m.Rows, append(row, t.destinations[dst].cells()...))
	}
	return m
}

func (t *tables) pathTable() tableModel {
	m := tableModel{Rows: [][]any{}, Columns: append([]column{{"path", "text"}}, sumColumns...)}
	for p := range t.paths {
		if s := &t.paths[p]; s.holds > 0 || s.failures > 0 {
			m.Rows = append(m.Rows, append([]any{cmp.Or(event.Path(p).String(), "unknown")}, s.cells()...))
		}
	}
	return m
}

func ownerName(o *lifetime.Owner) string {
	if o.PID == 0 {
		return text(o.Comm)
	}
	place := o.Place.Value()
	id := processID{cgroup: place.Cgroup, container: place.Container}
	name := fmt.Sprintf("%s, pid %d", text(o.Comm), o.PID)
	if where := id.where(); where != "" {
		name += ", " + where
	}
	return name
}

// poolName says what a pool is: "tcp 10.0.0.1 → 10.0.0.5:5432" or "udp 0.0.0.0".
func poolName(k pool.Key) string {
	src := "any address"
	if k.Src.IsValid() {
		src = k.Src.String()
	}
	if k.Dst.IsValid() {
		return fmt.Sprintf("%s %s → %s", k.Proto, src, k.Dst)
	}
	if k.Proto == event.UDP {
		return fmt.Sprintf("udp %s", src)
	}
	return fmt.Sprintf("%s %s, bind or listen", k.Proto, src)
}

// ownerRanks numbers the owners on the port map: those who held ports longest.
type ownerRanks struct {
	models []ownerModel
	of     []uint8 // by a process's number
	others uint8   // of those beyond
}

// ownersShown is how many owners the port map tells apart; one byte has the others and free.
const ownersShown = 250

func (c *Collector) rankOwners() ownerRanks {
	byTime := make([]int, len(c.tables.processes))
	for i := range byTime {
		byTime[i] = i
	}
	slices.SortStableFunc(byTime, func(x, y int) int {
		return c.tables.processes[y].rank(&c.tables.processes[x].sums)
	})
	r := ownerRanks{of: make([]uint8, len(byTime))}
	var rest time.Duration
	for rank, n := range byTime {
		p := c.tables.processes[n]
		if rank >= ownersShown {
			rest += p.time
			r.of[n] = ownersShown
			continue
		}
		r.of[n] = uint8(rank)
		r.models = append(r.models, ownerModel{p.name(), p.where(), millis(p.time)})
	}
	r.others = uint8(len(r.models))
	for n, rank := range r.of {
		r.of[n] = min(rank, r.others)
	}
	r.models = append(r.models, ownerModel{"others", "", millis(rest)})
	return r
}

func (r *ownerRanks) get(process uint16) uint8 {
	if int(process) < len(r.of) {
		return r.of[process]
	}
	return r.others
}
