// Package terminal shows a trace to people: a table of what happens to ports as it
// happens, and the first answer to "what about this port?". All text that a traced
// program may choose is escaped.
package terminal

import (
	"errors"
	"fmt"
	"io"
	"math"
	"time"

	"porttrace/internal/backlog"
	"porttrace/internal/lifetime"
)

// Options says how a Table looks. The zero value suits a pipe.
type Options struct {
	// Width is the terminal's columns. Zero is no terminal: the columns of 120, and
	// rows as long as they come. More width brings more: milliseconds at 90, SRC at 120,
	// WHERE at 140, UID and NETNS at 180, PATH and CONTAINER at 200. Addresses, ports and
	// owners are never cut; what else others named is, but not without a terminal.
	Width int
	// Columns names the columns in their order, as ColumnNames does; nil: the usual ones.
	Columns []string
	// More names columns beside the usual ones.
	More []string
	// Color colours events and bad ends. The caller has looked at NO_COLOR and at
	// whether there is a terminal.
	Color bool
	// States shows a row for each state entered.
	States bool
	// Location is the zone of the time column, nil for UTC.
	Location *time.Location
	// HeaderEvery repeats the header after so many rows, 0 for never. It comes back in
	// any case when a column had to be widened.
	HeaderEvery int
}

// Table is a pipeline.Sink that writes a row for each assign, release, failure and
// hold from before the start. It keeps rows in a buffer that Flush writes, or Write
// when it grows large. It is for one goroutine.
type Table struct {
	out     backlog.Out
	opts    Options
	columns []column
	slack   int    // columns that widening may still take
	clock   string // the layout of the time
	hasPath bool   // a column tells it: no other needs to

	buf    []byte
	events uint64 // rows in it
	col    int    // columns taken in the row being written
	rows   int    // since the header
	header bool   // due before the next row
	err    error  // the first
}

// writeAt bounds the buffer for a source that never pauses.
const writeAt = 64 << 10

// New returns a table that writes to w. Where w is a backlog.Out that has no room, rows are
// left out.
func New(w io.Writer, opts Options) *Table {
	if opts.Location == nil {
		opts.Location = time.UTC
	}
	t := &Table{out: backlog.To(w), opts: opts, header: true, buf: make([]byte, 0, writeAt+4<<10)}
	t.columns, t.slack, t.clock = layout(&opts)
	t.hasPath = has(t.columns, colPath)
	return t
}

// Write adds the row of a record; records that are not about one hold or failure have
// none, nor have holds still there at the end. It keeps nothing of r.
func (t *Table) Write(r *lifetime.Record) error {
	v, ok := t.view(r)
	if !ok {
		return nil
	}
	if t.header || t.opts.HeaderEvery > 0 && t.rows >= t.opts.HeaderEvery {
		t.writeHeader()
	}
	t.writeRow(&v)
	t.events++
	if len(t.buf) >= writeAt {
		return t.put()
	}
	return nil
}

// Flush writes the rows that wait. After an error they are dropped.
func (t *Table) Flush() error {
	if err := t.put(); err != nil {
		return err
	}
	return t.fail(t.out.Flush())
}

func (t *Table) put() error {
	if len(t.buf) == 0 {
		return nil
	}
	err := t.out.Put(t.buf, t.events)
	t.buf, t.events = t.buf[:0], 0
	if errors.Is(err, backlog.ErrFull) {
		t.header = true // it may have been among them
		return nil
	}
	return t.fail(err)
}

// Close flushes, and closes a backlog.Out, but no other io.Writer. Its error is the first
// one that there was.
func (t *Table) Close() error {
	_ = t.Flush() // it is kept
	_ = t.fail(t.out.Close())
	return t.err
}

// fail returns the first error.
func (t *Table) fail(err error) error {
	if err == nil {
		return nil
	}
	if t.err == nil {
		t.err = fmt.Errorf("writing the table: %w", err)
	}
	return t.err
}

func (t *Table) writeHeader() {
	t.header, t.rows, t.col = false, 0, 0
	t.paint(bold)
	start := 0
	for i := range t.columns {
		c := &t.columns[i]
		t.pad(start)
		t.buf = append(t.buf, kinds[c.id].title...)
		t.col += len(kinds[c.id].title)
		start += c.width + 1
	}
	t.unpaint(bold)
	t.buf = append(t.buf, '\n')
}

func (t *Table) writeRow(v *view) {
	t.rows++
	t.col = 0
	start := 0
	for i := range t.columns {
		c := &t.columns[i]
		t.pad(start)
		start += c.width + 1
		before := t.col
		t.cell(c.id, v, t.room(i))
		if i < len(t.columns)-1 {
			t.widen(c, t.col-before)
		}
	}
	// An empty last cell leaves the padding before it.
	for t.buf[len(t.buf)-1] == ' ' {
		t.buf = t.buf[:len(t.buf)-1]
	}
	t.buf = append(t.buf, '\n')
}

// pad moves on to column start, or one further than the cell before where that one is
// too wide: the columns after it get back in line as soon as they can.
func (t *Table) pad(start int) {
	if t.col >= start && t.col > 0 {
		start = t.col + 1
	}
	for ; t.col < start; t.col++ {
		t.buf = append(t.buf, ' ')
	}
}

// room is how wide a cell may be: as its column can become, the last to the end of the line.
func (t *Table) room(i int) int {
	c := &t.columns[i]
	switch {
	case t.opts.Width == 0:
		return math.MaxInt
	case i == len(t.columns)-1:
		return max(t.opts.Width-t.col, min(c.width, leastText))
	}
	return max(c.width, min(c.most, c.width+t.slack))
}

// widen makes room for cells as wide as one that did not fit, as long as the last column
// keeps enough.
func (t *Table) widen(c *column, width int) {
	if width <= c.width || width > c.most || t.slack == 0 {
		return
	}
	// Steps of four, so that addresses of all lengths do not widen one by one.
	more := min((width-c.width+3)&^3, t.slack)
	c.width += more
	t.slack -= more
	t.header = true
}

// The colours, as the parameters of an SGR sequence.
const (
	plainText = ""
	bold      = "1"
	red       = "1;31"
	green     = "32"
	yellow    = "33"
	blue      = "34"
	cyan      = "36"
)

func (t *Table) paint(color string) {
	if t.opts.Color && color != plainText {
		t.buf = append(append(append(t.buf, "\x1b["...), color...), 'm')
	}
}

func (t *Table) unpaint(color string) {
	if t.opts.Color && color != plainText {
		t.buf = append(t.buf, "\x1b[0m"...)
	}
}
