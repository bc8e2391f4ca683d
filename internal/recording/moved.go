package recording

import (
	"bytes"
	"time"

	"porttrace/internal/ktime"
	"porttrace/internal/lifetime"
)

// A clock record says how the times after it are to be read: none may be missing. The
// keeper follows them through the lines it writes, makes up for those it has to drop, and
// tells its own times by the clock of the lines around them, which may be behind the host's
// while some wait for the disk.

var clockPrefix = []byte(`{"type":"clock",`)

// moved returns by how much the clock records in lines say that the clock was set, and how
// many of them there are.
func moved(lines []byte) (by time.Duration, n uint64) {
	for {
		// In a string the quotes would be escaped.
		i := bytes.Index(lines, clockPrefix)
		if i < 0 {
			return by, n
		}
		lines = lines[i:]
		end := bytes.IndexByte(lines, '\n') + 1
		var d decoder // it goes on the heap: not where there is nothing to decode
		if r, err := d.decode(lines[:end]); err == nil {
			by += r.Time.Sub(r.Clock.From)
			n++
		}
		lines = lines[end:]
	}
}

// drop counts lines that are not written, but for clock records: those are made up for.
func (h *hole) drop(lines []byte) {
	by, clocks := moved(lines)
	h.owed += by
	h.open += count(lines) - clocks
}

// now is the time by the clock of the lines written so far.
func (k *keeper) now() ktime.Wall {
	if k.start == nil || k.start.Start.Uptime == 0 {
		return ktime.WallOf(time.Now())
	}
	return k.start.Time + ktime.Wall(ktime.Now().Sub(k.start.Start.Uptime)+k.moved)
}

func (k *keeper) clockLine(by time.Duration) []byte {
	k.line = appendMoved(k.line[:0], k.now(), by)
	return k.line
}

// appendMoved makes up for clock records that were dropped.
func appendMoved(dst []byte, from ktime.Wall, by time.Duration) []byte {
	return AppendRecord(dst, &lifetime.Record{
		Type: lifetime.Clock, Time: from + ktime.Wall(by), Clock: &lifetime.ClockInfo{From: from},
	})
}
