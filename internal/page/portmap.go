package page

import (
	"porttrace/internal/event"
	"porttrace/internal/ktime"
)

// rowsKept is how many rows the port maps have together: a range of all ports and one of
// another namespace. A row takes 1.5 KB.
const rowsKept = 1 << 16

// spaceID names what has ports of its own.
type spaceID struct {
	host  string
	netns uint32
	proto event.Proto
}

// space is the port map of a namespace and a protocol.
type space struct {
	id       spaceID
	lo, hi   uint16 // the range, zero: unknown
	usable   int
	reserved string
	rows     rows
	holds    int
}

// rows are those of a space, by the two bytes of the port.
type rows struct {
	pages [256]*[256]*portRow
	count int
}

func (r *rows) get(port uint16) *portRow {
	if p := r.pages[port>>8]; p != nil {
		return p[port&255]
	}
	return nil
}

func (r *rows) add(port uint16) *portRow {
	p := &r.pages[port>>8]
	if *p == nil {
		*p = new([256]*portRow)
	}
	row := new(portRow)
	(*p)[port&255] = row
	r.count++
	return row
}

// all yields the ports that have been held, in order.
func (r *rows) all(yield func(uint16, *portRow) bool) {
	for hi, p := range r.pages {
		if p == nil {
			continue
		}
		for lo, row := range p {
			if row != nil && !yield(uint16(hi<<8|lo), row) {
				return
			}
		}
	}
}

// fullCover is the cover of a bin that was held from its beginning to its end.
const fullCover = 15

// portRow is a port over time: for each bin the state and the owner that had most of it, and
// how much.
type portRow struct {
	cells  [maxBins]cell
	owners [maxBins]uint16
	recent ring
}

// cell is a state and a cover, four bits each. Zero cover: free.
type cell uint8

func newCell(state event.State, cover int) cell { return cell(int(state)<<4 | cover) }

func (c cell) state() event.State { return event.State(c >> 4) }
func (c cell) cover() int         { return int(c & fullCover) }

// put paints a part of a bin. Several holds may have had it, one after the other or, for
// different destinations, at once: the one with most of it shows, of equals the later, but
// not TIME_WAIT over one that lives.
func (r *portRow) put(bin int, state event.State, owner uint16, cover int) {
	was := r.cells[bin]
	switch {
	case was.cover() > 0 && was.state() == state && r.owners[bin] == owner:
		r.cells[bin] = newCell(state, min(was.cover()+cover, fullCover))
	case max(cover, 1) > was.cover(), max(cover, 1) == was.cover() && (state != event.TimeWait || was.state() == event.TimeWait):
		r.cells[bin], r.owners[bin] = newCell(state, max(cover, 1)), owner
	}
}

func (r *portRow) halve() {
	for b := range maxBins / 2 {
		first, second := r.cells[2*b], r.cells[2*b+1]
		kept, owner, other := first, r.owners[2*b], second
		if second.cover() > first.cover() {
			kept, owner, other = second, r.owners[2*b+1], first
		}
		cover := kept.cover()
		if other.state() == kept.state() && r.owners[2*b] == r.owners[2*b+1] {
			cover += other.cover()
		}
		if kept.cover() > 0 {
			cover = max(cover/2, 1)
		}
		r.cells[b], r.owners[b] = newCell(kept.state(), cover), owner
	}
	clear(r.cells[maxBins/2:])
	clear(r.owners[maxBins/2:])
}

func (r *portRow) shift(n int) {
	copy(r.cells[n:], r.cells[:maxBins-n])
	copy(r.owners[n:], r.owners[:maxBins-n])
	clear(r.cells[:n])
	clear(r.owners[:n])
}

// paint shows a hold in a state, from an instant to another.
func (r *portRow) paint(t *timeline, s span, owner uint16) {
	first, last := t.bin(s.from), t.bin(s.to)
	for b := first; b <= last; b++ {
		begin := t.begin(b)
		from, to := max(s.from, begin), min(s.to, begin+ktime.Wall(t.width))
		if to < from || to == from && b > first {
			continue
		}
		r.put(b, s.state, owner, int(to.Sub(from)*fullCover/t.width))
	}
}
