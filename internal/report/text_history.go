package report

import (
	"fmt"
	"strings"
	"time"

	"porttrace/internal/event"
	"porttrace/internal/iana"
	"porttrace/internal/ktime"
	"porttrace/internal/terminal"
)

// histories writes the timeline of each port asked for.
func (t *text) histories() {
	if !t.PortsNamed {
		return
	}
	if len(t.Ports) == 0 {
		t.section("Ports", "")
		t.WriteString("  nobody held any of those asked for\n")
	}
	for i := range t.Ports {
		t.history(&t.Ports[i])
	}
	if t.HistoryLeft > 0 {
		t.printf("\n  no room in memory for %s more: narrow the ports or the time\n", terminal.Count(t.HistoryLeft, "hold"))
	}
}

func (t *text) history(p *PortHistory) {
	where := ""
	if t.hosts {
		where = " on " + hostName(p.Host)
	}
	t.WriteByte('\n')
	t.printf("%s, %s, netns %d%s: %s, busy for %s\n", t.paint(bold, "Port "+portName(p)), p.Proto, p.NetNS, where,
		terminal.Count(uint64(len(p.Chapters)), "hold"), terminal.Duration(p.busy()))
	g := newGrid("<FROM", "<TO", "HELD", "<OWNER", "<RUNS IN", "<SOURCE", "<DESTINATION", "<PATH", "<STATES AND END")
	gaps := gaps{t: t, g: g, at: -1}
	for i := range p.Chapters {
		c := &p.Chapters[i]
		gaps.until(c)
		g.add(t.chapter(c)...)
		gaps.after(c)
	}
	gaps.close()
	g.write(&t.Builder)
}

// gaps adds the rows of the time that nobody held a port, as far as it was recorded.
type gaps struct {
	t    *text
	g    *grid
	at   int        // the recording
	busy ktime.Wall // until then it was held, or not looked at
}

// until adds what is between the chapter before and c.
func (p *gaps) until(c *Chapter) {
	if c.Recording != p.at {
		from := max(p.t.Recordings[c.Recording].First, p.t.From)
		if p.at >= 0 {
			p.close()
			p.add(p.busy, from, "not recorded")
		}
		p.at, p.busy = c.Recording, from
	}
	p.add(p.busy, c.Seen, "idle")
}

// after says that c held the port until its end, or to the last of the recording.
func (p *gaps) after(c *Chapter) {
	p.busy = max(p.busy, c.End)
	if !c.Released {
		p.busy = max(p.busy, p.t.Recordings[c.Recording].Last)
	}
}

// close adds what is left of the recording.
func (p *gaps) close() {
	last := min(p.t.Recordings[p.at].Last, p.t.To)
	p.add(p.busy, last, "idle")
	p.busy = max(p.busy, last)
}

func (p *gaps) add(from, to ktime.Wall, what string) {
	if to > from {
		p.g.add(p.t.when(from, toMilli), p.t.when(to, toMilli), terminal.Duration(to.Sub(from)), "-", "", "", "", "", what)
	}
}

func (t *text) chapter(c *Chapter) []string {
	h := &c.Hold
	place := h.Owner.Place.Value()
	from, to := t.when(c.Seen, toMilli), t.when(c.End, toMilli)
	if c.Before {
		from = "before"
		if h.Assigned != 0 {
			from = t.when(h.Assigned, toMilli)
		}
	}
	if !c.Released {
		to = "still held"
	}
	return []string{from, to, terminal.Duration(c.End.Sub(c.Seen)), terminal.Owner(&h.Owner), terminal.Place(&place),
		terminal.Addr(h.Src), terminal.AddrPort(h.Dst), pathName(h.Path), c.story()}
}

// story is what became of the hold: 85µs SYN_SENT + 0.4s ESTABLISHED + 60.9s TIME_WAIT,
// time_wait_expired.
func (c *Chapter) story() string {
	if !c.StatesKnown {
		return "states not recorded"
	}
	var words []string
	for s, d := range c.Hold.States {
		if d > 0 || event.State(s) == c.Hold.State && !c.Released {
			words = append(words, terminal.Duration(d)+" "+event.State(s).String())
		}
	}
	story := strings.Join(words, " + ")
	if c.Reason != 0 {
		if story != "" {
			story += ", "
		}
		story += c.Reason.String()
	}
	return story
}

// busy is the time in which anybody held the port; holds of connects may overlap.
func (p *PortHistory) busy() (sum time.Duration) {
	var upTo ktime.Wall
	for i := range p.Chapters {
		c := &p.Chapters[i]
		if from := max(c.Seen, upTo); c.End > from {
			sum += c.End.Sub(from)
		}
		upTo = max(upTo, c.End)
	}
	return sum
}

func portName(p *PortHistory) string {
	name := fmt.Sprintf("%d (%s", p.Port, iana.Class(p.Port))
	if service := iana.Service(p.Port, p.Proto.String()); service != "" {
		name += ", " + service
	}
	return name + ")"
}
