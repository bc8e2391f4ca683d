package report

import (
	"cmp"
	"slices"
	"time"

	"porttrace/internal/event"
	"porttrace/internal/lifetime"
	"porttrace/internal/party"
)

// portTime is time that ports were held, in nanoseconds. It is no time.Duration, for that
// ends at 292 years: 28,000 ports are held so long in four days.
type portTime float64

// Seconds returns port-seconds.
func (t portTime) Seconds() float64 { return float64(t) / float64(time.Second) }

// Tally is what one party, or all, had of the ports.
type Tally struct {
	Holds    uint64
	Held     portTime // what is known of it, of holds whose end no record tells too
	InStates portTime // the part of Held whose states are known
	TimeWait portTime // the part of InStates spent in TIME_WAIT
	Failures uint64
}

// TimeWaitShare returns TIME_WAIT's part of the time whose states are known; ok is false
// where there is none.
func (t *Tally) TimeWaitShare() (share float64, ok bool) {
	if t.InStates <= 0 {
		return 0, false
	}
	return float64(t.TimeWait / t.InStates), true
}

func (t *Tally) add(u Tally) {
	t.Holds += u.Holds
	t.Held += u.Held
	t.InStates += u.InStates
	t.TimeWait += u.TimeWait
	t.Failures += u.Failures
}

// tallyOf is the share of one hold.
func tallyOf(h *lifetime.Hold, held time.Duration, statesKnown bool) Tally {
	t := Tally{Holds: 1, Held: portTime(held)}
	if statesKnown {
		t.InStates = t.Held
		t.TimeWait = portTime(h.States[event.TimeWait])
	}
	return t
}

// rowsKept is how many rows a ranking keeps when it must let go of some, and half of those
// it has at most.
const rowsKept = 1 << 13

// ranking finds the parties with the most port time among any number of them, in bounded
// memory. When there are too many rows, those with the least give theirs to others and
// begin anew if they come back: what a row then lacks is at most slack.
type ranking[K comparable] struct {
	rows   map[K]*entry
	gone   uint64 // rows that were let go, those that came back once each time
	others Tally
	slack  portTime // the sum of the longest times let go
}

// entry is what a row has but for its key.
type entry struct {
	Tally
	party.Label
}

// at returns the row of a party, valid until the next call.
func (r *ranking[K]) at(key K) *entry {
	if t := r.rows[key]; t != nil {
		return t
	}
	if r.rows == nil {
		r.rows = map[K]*entry{}
	}
	if len(r.rows) >= 2*rowsKept {
		r.letGo()
	}
	t := new(entry)
	r.rows[key] = t
	return t
}

func (r *ranking[K]) letGo() {
	var most portTime
	for _, row := range r.sorted(nil)[rowsKept:] {
		r.gone++
		r.others.add(row.Tally)
		most = max(most, row.Held)
		delete(r.rows, row.Key)
	}
	r.slack += most
}

// Row is one line of a top table.
type Row[K comparable] struct {
	Key K
	Tally
	party.Label
}

// Table is a top table.
type Table[K comparable] struct {
	Rows   []Row[K]
	Others Row[struct{}] // the sum of all rows that are not shown
	Hidden uint64        // how many those are, at most
	Slack  time.Duration // port time that a row may lack; 0: the rows are exact
}

// top returns the n rows with the most port time; compare settles ties.
func (r *ranking[K]) top(n int, compare func(a, b K) int) Table[K] {
	rows := r.sorted(compare)
	t := Table[K]{Rows: rows[:min(n, len(rows))], Hidden: r.gone, Slack: time.Duration(r.slack)}
	t.Others.Tally = r.others
	for _, row := range rows[len(t.Rows):] {
		t.Hidden++
		t.Others.add(row.Tally)
	}
	return t
}

// sorted returns all rows. Without compare ties are in no order.
func (r *ranking[K]) sorted(compare func(a, b K) int) []Row[K] {
	rows := make([]Row[K], 0, len(r.rows))
	for key, t := range r.rows {
		rows = append(rows, Row[K]{key, t.Tally, t.Label})
	}
	slices.SortFunc(rows, func(a, b Row[K]) int {
		c := cmp.Or(cmp.Compare(b.Held, a.Held), cmp.Compare(b.Holds, a.Holds), cmp.Compare(b.Failures, a.Failures))
		if c == 0 && compare != nil {
			c = compare(a.Key, b.Key)
		}
		return c
	})
	return rows
}
