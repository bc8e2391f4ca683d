package report

import (
	"cmp"
	"slices"
	"strings"

	"porttrace/internal/event"
	"porttrace/internal/ktime"
	"porttrace/internal/lifetime"
)

// chaptersKept bounds the histories of all ports asked for, at some 50 MB.
const chaptersKept = 1 << 17

// Chapter is one hold in the history of a port.
type Chapter struct {
	Host        string
	Recording   int // in Summary.Recordings
	Hold        lifetime.Hold
	Seen, End   ktime.Wall // from when until when it is known to have been held
	Before      bool       // it began before Seen
	Released    bool       // at End; else it went on
	Reason      event.Reason
	StatesKnown bool
}

// PortHistory is all that happened to a port of one network namespace.
type PortHistory struct {
	Host     string
	NetNS    uint32
	Proto    event.Proto
	Port     uint16
	Chapters []Chapter // in the order they began
}

// history gathers chapters. Those beyond chaptersKept are only counted.
type history struct {
	chapters []Chapter
	left     uint64
}

func (h *history) add(c Chapter) {
	if len(h.chapters) >= chaptersKept {
		h.left++
		return
	}
	h.chapters = append(h.chapters, c)
}

// ports returns the histories by port.
func (h *history) ports() []PortHistory {
	slices.SortFunc(h.chapters, func(a, b Chapter) int {
		return cmp.Or(cmp.Compare(a.Hold.Port, b.Hold.Port), strings.Compare(a.Host, b.Host),
			cmp.Compare(a.Hold.NetNS, b.Hold.NetNS), cmp.Compare(a.Hold.Proto, b.Hold.Proto),
			cmp.Compare(a.Recording, b.Recording), cmp.Compare(a.Seen, b.Seen), cmp.Compare(a.End, b.End), cmp.Compare(a.Hold.ID, b.Hold.ID))
	})
	var out []PortHistory
	for i := range h.chapters {
		c := &h.chapters[i]
		p := PortHistory{Host: c.Host, NetNS: c.Hold.NetNS, Proto: c.Hold.Proto, Port: c.Hold.Port}
		if last := len(out) - 1; last < 0 || !out[last].same(&p) {
			out = append(out, p)
		}
		last := &out[len(out)-1]
		last.Chapters = append(last.Chapters, *c)
	}
	return out
}

func (p *PortHistory) same(q *PortHistory) bool {
	return p.Host == q.Host && p.NetNS == q.NetNS && p.Proto == q.Proto && p.Port == q.Port
}
