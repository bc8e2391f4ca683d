package page

import (
	"cmp"
	"fmt"
	"net/netip"
	"slices"
	"strconv"
	"strings"
	"time"

	"porttrace/internal/event"
	"porttrace/internal/lifetime"
	"porttrace/internal/party"
	"porttrace/internal/pool"
	"porttrace/internal/terminal"
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
		"owners":       t.ownerTable(top, withHost),
		"destinations": t.destinationTable(top),
		"paths":        t.pathTable(),
	}
}

// ownerTable is by processes, or by another level.
func (t *tables) ownerTable(top int, withHost bool) tableModel {
	m := tableModel{Rows: [][]any{}, Columns: t.ownerColumns()}
	own := len(m.Columns)
	if withHost {
		m.Columns = append(m.Columns, column{"host", "text"})
	}
	m.Columns = append(m.Columns, sumColumns...)
	ranked := slices.Clone(t.parties)
	slices.SortStableFunc(ranked, func(x, y *row) int { return y.rank(&x.sums) })
	if n := len(ranked) - top; n > 0 {
		ranked, m.More = ranked[:top], n
	}
	if t.others.holds > 0 {
		ranked = append(ranked, &t.others)
	}
	for _, r := range ranked {
		cells := make([]any, own)
		t.nameCells(cells, r)
		if withHost {
			cells = append(cells, text(r.host))
		}
		m.Rows = append(m.Rows, append(cells, r.cells()...))
	}
	return m
}

func (t *tables) ownerColumns() []column {
	if t.by == party.Process {
		return []column{{"process", "text"}, {"pid", "text"}, {"user", "text"}, {"where", "text"}}
	}
	var columns []column
	for _, f := range t.by.Fields(party.Key{}, party.Label{}) {
		columns = append(columns, column{strings.ReplaceAll(f.Name, "_", " "), "text"})
	}
	return columns
}

// nameCells fills in what names a row.
func (t *tables) nameCells(cells []any, r *row) {
	for i := range cells {
		cells[i] = ""
	}
	switch {
	case r == &t.others:
		cells[0] = "all further ones"
	case t.by == party.Process:
		cells[0], cells[1], cells[2], cells[3] = t.name(r), r.pidText(), r.user(), t.where(r)
	case !r.known:
		cells[0] = "-"
	default:
		for i, f := range t.by.Fields(r.key, r.label) {
			cells[i] = text(f.Text)
		}
	}
}

// rank orders by the time that ports were held, then by failures.
func (s *sums) rank(o *sums) int {
	return cmp.Or(cmp.Compare(s.time, o.time), cmp.Compare(s.failures, o.failures), cmp.Compare(s.holds, o.holds))
}

// name is what the port map calls a row.
func (t *tables) name(r *row) string {
	switch {
	case !r.known:
		return "unknown"
	case t.by == party.Process:
		return text(r.comm)
	case t.by == party.Container:
		return terminal.Container(t.by.Name(r.key, r.label))
	}
	return text(t.by.Name(r.key, r.label))
}

func (r *row) pidText() string {
	switch {
	case !r.known:
		return ""
	case r.pids:
		return "several"
	}
	return strconv.Itoa(int(r.pid))
}

func (r *row) user() string {
	if !r.known {
		return ""
	}
	return strconv.Itoa(int(r.uid))
}

// where names the pod, container or unit of a process, or its cgroup.
func (t *tables) where(r *row) string {
	place := r.label.Place()
	if _, name := place.Telling(); t.by == party.Process && name != "" {
		return terminal.Container(name)
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

// ownerName names an owner, or several of a name where there is no pid.
func ownerName(o *lifetime.Owner) string {
	name := text(o.Comm)
	if o.PID != 0 {
		name = fmt.Sprintf("%s, pid %d", name, o.PID)
	}
	place := o.Place.Value()
	if in := terminal.Place(&place); in != "" {
		name += ", " + in
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
	of     []uint8 // by a party's number
	others uint8   // of those beyond
}

// ownersShown is how many owners the port map tells apart; one byte has the others and free.
const ownersShown = 250

func (c *Collector) rankOwners() ownerRanks {
	byTime := make([]int, len(c.tables.parties))
	for i := range byTime {
		byTime[i] = i
	}
	slices.SortStableFunc(byTime, func(x, y int) int {
		return c.tables.parties[y].rank(&c.tables.parties[x].sums)
	})
	r := ownerRanks{of: make([]uint8, len(byTime))}
	var rest time.Duration
	for rank, n := range byTime {
		p := c.tables.parties[n]
		if rank >= ownersShown {
			rest += p.time
			r.of[n] = ownersShown
			continue
		}
		r.of[n] = uint8(rank)
		r.models = append(r.models, ownerModel{c.tables.name(p), c.tables.where(p), millis(p.time)})
	}
	r.others = uint8(len(r.models))
	for n, rank := range r.of {
		r.of[n] = min(rank, r.others)
	}
	r.models = append(r.models, ownerModel{"others", "", millis(rest)})
	return r
}

func (r *ownerRanks) get(party uint16) uint8 {
	if int(party) < len(r.of) {
		return r.of[party]
	}
	return r.others
}
