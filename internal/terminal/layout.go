package terminal

import "slices"

// column is a column and its width; it may be widened up to most.
type column struct {
	id          columnID
	width, most int
}

func newColumn(id columnID) column { return column{id, kinds[id].width, kinds[id].most} }

// What WHAT is left with when others widen.
const (
	whatSmall  = 25 // "0.4s + 60.9s TIME_WAIT", "ESTABLISHED, before start"
	whatMedium = 27 // "0.4s used + 60.9s TIME_WAIT"
	whatLarge  = 34 // "EADDRNOTAVAIL: address not local"
	whatHuge   = 50 // "EADDRNOTAVAIL: range exhausted, 28232/28232 in use"
)

// The layouts of the time column. In 80 columns the fraction would cost WHAT its words.
const (
	seconds      = "15:04:05"
	milliseconds = "15:04:05.000"
)

// Where no line ends, both addresses may be IPv6 and are still to line up.
const (
	noWidth = 120
	noRoom  = 200
)

// layout returns the columns for a terminal, what widening may take, and the time's layout.
func layout(o *Options) (columns []column, slack int, clock string) {
	width, room := o.Width, o.Width
	if width == 0 {
		width, room = noWidth, noRoom
	}
	clock = seconds
	if width >= 90 {
		clock = milliseconds
	}
	least := whatMedium
	if len(o.Columns) == 0 {
		columns, least = usual(width, columnsOf(o.More))
	}
	for _, id := range columnsOf(o.Columns) {
		columns = append(columns, newColumn(id))
	}
	for i := range columns {
		if columns[i].id == colTime {
			columns[i].width = len(clock)
		}
	}
	slack = room + 1
	for i := range columns {
		if c := &columns[i]; c.id == colWhat && i == len(columns)-1 {
			c.width = least
		}
		slack -= columns[i].width + 1
	}
	if o.Width > 0 {
		slack = narrow(columns, slack)
	}
	return columns, max(0, slack), clock
}

// usual returns the columns for a width, and what WHAT is to be left with. Those asked for
// beside them stand before it, in the room of those that only come where there is some.
func usual(width int, more []columnID) (columns []column, least int) {
	columns, _ = standing(width)
	for _, id := range more {
		if id != colWhat && !has(columns, id) {
			width -= kinds[id].width + 1
		}
	}
	columns, least = standing(width)
	for _, id := range more {
		if id != colWhat && !has(columns, id) {
			columns = append(columns, newColumn(id))
		}
	}
	return append(columns, newColumn(colWhat)), least
}

func has(columns []column, id columnID) bool {
	return slices.ContainsFunc(columns, func(c column) bool { return c.id == id })
}

// standing returns the usual columns but WHAT, and what that is to be left with.
func standing(width int) (columns []column, least int) {
	add := func(from int, id columnID, columnWidth int) {
		if width >= from || from == 0 {
			columns = append(columns, column{id, columnWidth, kinds[id].most})
		}
	}
	owner, where, dst, least := 12, 18, 14, whatSmall
	if width >= 100 {
		owner, dst, least = 18, 19, whatMedium
	}
	if width >= 120 {
		least = whatLarge
	}
	if width >= 160 {
		owner, dst, least = 20, 21, whatHuge
	}
	if width >= 200 {
		where = 17
	}
	add(0, colTime, kinds[colTime].width)
	add(0, colEvent, kinds[colEvent].width)
	add(0, colProto, kinds[colProto].width)
	add(0, colPort, kinds[colPort].width)
	add(200, colPath, kinds[colPath].width)
	add(0, colOwner, owner)
	add(140, colWhere, where)
	add(180, colUID, kinds[colUID].width)
	add(200, colContainer, kinds[colContainer].width)
	add(180, colNetNS, kinds[colNetNS].width)
	add(120, colSrc, kinds[colSrc].width)
	add(0, colDst, dst)
	return columns, least
}

// narrow takes from the widest of the columns that are cut what others lack.
func narrow(columns []column, slack int) int {
	for ; slack < 0; slack++ {
		widest := -1
		for i, c := range columns {
			k := &kinds[c.id]
			if k.cut && c.width > max(leastText, len(k.title)) && (widest < 0 || c.width > columns[widest].width) {
				widest = i
			}
		}
		if widest < 0 {
			break
		}
		columns[widest].width--
	}
	return slack
}
