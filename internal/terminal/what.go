package terminal

import (
	"strconv"
	"time"

	"porttrace/internal/event"
	"porttrace/internal/lifetime"
)

// form is how many words WHAT may make: each next one is shorter, and none is wrong. A
// row takes the first that fits its line.
type form uint8

const (
	full  form = iota // 0.4s used + 60.9s TIME_WAIT
	brief             // 0.4s + 60.9s TIME_WAIT
	tight             // 0.4s+60.9s TIME_WAIT
	terse             // 0.4s+60.9s TW
	total             // 61.3s
	forms
)

// what writes the cell that tells the story, in words that find room if any do.
func (t *Table) what(v *view, room int) {
	color := whatColor(v)
	t.paint(color)
	before := len(t.buf)
	width := 0
	for f := range forms {
		t.buf = t.appendWhat(t.buf[:before], v, f)
		width = textWidth(t.buf[before:])
		if width <= room {
			break
		}
	}
	t.unpaint(color)
	t.col += width
}

func whatColor(v *view) string {
	switch v.rec.Type {
	case lifetime.Failure:
		return red
	case lifetime.Release:
		switch v.rec.Reason {
		case event.Closed, event.TimeWaitExpired, event.TimeWaitReused, event.Disconnected:
			return plainText
		}
		return yellow
	case lifetime.Assign:
		if v.rec.Hold.Search >= slowSearch {
			return yellow
		}
	}
	return plainText
}

func (t *Table) appendWhat(b []byte, v *view, f form) []byte {
	switch v.rec.Type {
	case lifetime.Assign:
		return appendAssign(b, v.rec.Hold, t.hasPath, f)
	case lifetime.HeldAtStart:
		b = append(b, v.rec.Hold.State.String()...)
		if f == full {
			b = append(b, ", before start"...)
		}
	case lifetime.State:
		b = append(b, v.rec.Hold.State.String()...)
		if f == full {
			b = appendAge(b, v.rec)
		}
	case lifetime.Release:
		return appendRelease(b, v.rec.Hold, v.rec.Reason, f)
	case lifetime.Failure:
		return appendFailure(b, v.rec.Failure, t.hasPath, f)
	}
	return b
}

// slowSearch is a search for a port that is worth a word: ordinary ones take
// microseconds.
const slowSearch = time.Millisecond

// appendAssign writes the path unless a column has it, and a notable search.
func appendAssign(b []byte, h *lifetime.Hold, hasPath bool, f form) []byte {
	if !hasPath {
		b = appendOr(b, h.Path.String(), '?')
	}
	if h.Search < slowSearch || f == total {
		return b
	}
	if !hasPath {
		b = append(b, ' ')
	}
	if f < tight {
		b = append(b, "after "...)
	}
	return append(appendDuration(b, h.Search), " search"...)
}

// appendHeld writes how long a hold has been or was held, ">" where its beginning is
// not known.
func appendHeld(b []byte, h *lifetime.Hold) []byte {
	if h.Assigned == 0 {
		b = append(b, '>')
	}
	return appendDuration(b, h.HeldFor())
}

// appendAge writes how old a hold is that enters a state. A recording keeps the states'
// times of ended holds only: from one, the age is told by the times, and of a hold from
// before the start it is unknown.
func appendAge(b []byte, r *lifetime.Record) []byte {
	switch h := r.Hold; {
	case h.HeldFor() > 0:
		return appendHeld(append(b, " after "...), h)
	case h.Assigned != 0:
		return appendDuration(append(b, " after "...), r.Time.Sub(h.Assigned))
	}
	return b
}

// appendRelease writes where a hold's time went, and why it ended unless that is the
// ordinary way.
func appendRelease(b []byte, h *lifetime.Hold, reason event.Reason, f form) []byte {
	if f == total {
		b = appendHeld(b, h)
	} else {
		b = appendStory(b, h, f)
	}
	switch reason {
	case event.Closed, event.TimeWaitExpired:
		return b
	case 0:
		b = append(b, ", reason unknown"...)
	case event.TimeWaitReused:
		b = append(b, ", reused"...)
	case event.TimeWaitKilled:
		b = append(b, ", killed"...)
	case event.TimedOut:
		if f < tight {
			b = append(b, ", timed out"...)
		} else {
			b = append(b, ", timeout"...)
		}
	case event.NetnsDestroyed:
		if f < tight {
			b = append(b, ", netns destroyed"...)
		} else {
			b = append(b, ", netns gone"...)
		}
	case event.Vanished:
		b = append(b, ", vanished"...)
		if f == full {
			b = append(b, " (time approximate)"...)
		}
	default:
		b = append(append(b, ", "...), reason.String()...)
	}
	return b
}

// appendFailure writes the errno and the cause, and how full the pool was.
func appendFailure(b []byte, i *lifetime.FailureInfo, hasPath bool, f form) []byte {
	if f == full && !hasPath && i.Path != 0 {
		b = append(append(b, i.Path.String()...), ' ')
	}
	if f <= tight && i.Errno != "" {
		b, _ = appendText(b, i.Errno)
		b = append(b, ": "...)
	}
	switch i.Cause {
	case lifetime.CauseUnknown, "":
		b = append(b, "cause unknown"...)
	default:
		// A recording is a file that anyone may have edited.
		b = appendWords(b, string(i.Cause))
	}
	if i.RangeHi != 0 && f <= terse {
		b = strconv.AppendUint(append(b, ' '), uint64(i.RangeLo), 10)
		b = strconv.AppendUint(append(b, '-'), uint64(i.RangeHi), 10)
	}
	if i.InUse >= 0 && i.Usable >= 0 && f <= brief {
		b = strconv.AppendInt(append(b, ", "...), int64(i.InUse), 10)
		b = strconv.AppendInt(append(b, '/'), int64(i.Usable), 10)
		b = append(b, " in use"...)
	}
	return b
}

// appendWords writes a name of the recording's in words: range_exhausted, range exhausted.
func appendWords(b []byte, name string) []byte {
	before := len(b)
	b, _ = appendText(b, name)
	for i := before; i < len(b); i++ {
		if b[i] == '_' {
			b[i] = ' '
		}
	}
	return b
}
