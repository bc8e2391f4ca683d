//go:build linux

package main

import (
	"fmt"
	"net/netip"
	"slices"
	"time"

	"golang.org/x/sys/unix"

	"porttrace/internal/event"
	"porttrace/internal/flagvalue"
	"porttrace/internal/ktime"
	"porttrace/internal/lifetime"
	"porttrace/internal/live"
	"porttrace/internal/netns"
	"porttrace/internal/probe"
	"porttrace/internal/terminal"
)

func (t *tracer) notice(format string, args ...any) {
	fmt.Fprintf(t.env.stderr, "porttrace: %s\n", oneLine(fmt.Sprintf(format, args...)))
}

// checkNetNS says if nothing leads to the namespace asked for: it may have sockets all
// the same, or the number is mistyped.
func (t *tracer) checkNetNS(seen []lifetime.Range) {
	found := func(r lifetime.Range) bool { return r.NetNS == t.config.NetNS }
	if t.config.NetNS != 0 && !slices.ContainsFunc(seen, found) {
		t.notice("no process or name leads to network namespace %d: what is held there now is not seen (lsns -t net lists them)", t.config.NetNS)
	}
}

// checkPIDs says what a pid namespace keeps from us: the hooks tell the host's process
// ids, which /proc does not translate, and iter/task_file goes through its tasks only.
func (t *tracer) checkPIDs() {
	var own unix.Stat_t
	if err := unix.Stat("/proc/self/ns/pid", &own); err != nil || own.Ino == hostPIDNS {
		return
	}
	t.notice("this is a pid namespace of its own: process ids are the host's here, for --pid too; sockets that processes outside have already may be missing (docker run --pid host shows them)")
}

// hostPIDNS is the first pid namespace's inode (PROC_PID_INIT_INO).
const hostPIDNS = 0xeffffffc

// lost says at once what was lost and what to do about it.
func (t *tracer) lost(l probe.Losses) {
	if l.Ring > 0 {
		t.notice("lost %s: the ring buffer was full (try --buffer-size %dM)", terminal.Count(l.Ring, "event"), min(4*max(t.config.BufferSize, probe.DefaultBufferSize), flagvalue.MaxSize)>>20)
	}
	if l.CPU > 0 { // that there are some was said when it began
		t.thrift.lost += l.CPU
	}
	if l.Map > 0 {
		t.notice("lost %s: the kernel had no room to remember a socket (more than --max-holds %d?)", terminal.Count(l.Map, "event"), t.config.MaxHolds)
	}
	if l.Recursion > 0 {
		t.notice("lost %s: the kernel skipped hooks that were at work already", terminal.Count(l.Recursion, "event"))
	}
}

// stepped says that the wall clock was set.
func (t *tracer) stepped(s ktime.Step) {
	zone := t.env.now().Location()
	at := func(w ktime.Wall) string { return w.Time().In(zone).Format("2006-01-02 15:04:05.000") }
	direction := "forward"
	if s.By() < 0 {
		direction = "back"
	}
	t.notice("the clock was set %s by %v, from %s to %s: times from here on are by the new one, durations are not affected",
		direction, s.By().Abs().Round(time.Millisecond), at(s.From), at(s.To))
}

// corrected says what an audit found amiss. What neither a loss nor the kernel explains
// is a fault of the hooks: whoever sees it is asked to report it.
func (t *tracer) corrected(c lifetime.Corrections, why live.Explanation) {
	switch {
	case why.Known:
		t.notice("put right: %s", terminal.Count(c.Count, "hold"))
		return
	case len(why.Hidden) > 0:
		t.notice("lost %s, and put right as many holds: this kernel hides from tracing what happens while %s runs", terminal.Count(c.Missed(), "event"), probe.Names(why.Hidden))
	default:
		t.notice("%s not as the hooks had told, though nothing was lost: this is a bug of porttrace, please report it", was(c.Missed(), "hold"))
	}
	for i := range min(len(c.Details), correctionsShown) {
		d := &c.Details[i]
		h := &d.Hold
		t.notice("  %s: %s %s to %s, %s, %s, by %s/%d, network namespace %d", differences[d.Was], h.Proto,
			netip.AddrPortFrom(h.Src, h.Port), h.Dst, h.Path, h.State, h.Owner.Comm, h.Owner.PID, h.NetNS)
	}
}

// correctionsShown bounds what is said of each occasion.
const correctionsShown = 5

var differences = map[lifetime.Difference]string{
	lifetime.Untold: "held, and not told",
	lifetime.Gone:   "told as held, and gone",
	lifetime.Moved:  "left to a mini-socket, and not told",
}

// sumUp ends the trace with one line for people; without an end there is no sum.
func (t *tracer) sumUp() {
	n := t.end
	if n == nil {
		return
	}
	text := fmt.Sprintf("%d held before, %d assigned, %d released, %d still held, %s",
		n.BeforeStart, n.Assigned, n.Released, n.Held, terminal.Count(n.Failures, "failure"))
	switch {
	case n.Lost > 0:
		text += fmt.Sprintf(", %s LOST: the recording is incomplete", terminal.Count(n.Lost, "event"))
		if n.Reconciled > 0 {
			text += fmt.Sprintf(", %s put right", terminal.Count(n.Reconciled, "hold"))
		}
	case n.Discrepancies > 0:
		text += fmt.Sprintf(", nothing counted as lost and yet %s MISSED: the recording is incomplete", was(n.Discrepancies, "hold"))
	case !n.Complete:
		text += ", incomplete"
	default:
		text += ", nothing lost"
	}
	t.notice("%s", text)
}

// sumUpShown says what standard output lacks, unless that was said of the recording.
func (t *tracer) sumUpShown() {
	what := "row"
	if t.config.Show != showTable {
		what = "record"
		if t.file == nil { // it was the recording
			return
		}
	}
	if n := t.out.Missing(); n > 0 {
		t.notice("standard output lacks %s: it was not read in time", terminal.Count(n, what))
	}
}

// was is a count of what happened to as many.
func was(n uint64, what string) string {
	if n == 1 {
		return terminal.Count(n, what) + " was"
	}
	return terminal.Count(n, what) + " were"
}

func (t *tracer) writeStats() {
	stats, err := t.probe.Stats()
	if err != nil {
		t.notice("%v", err)
		return
	}
	for _, p := range stats {
		fmt.Fprintf(t.env.stderr, "bpf: %s runs=%d ns=%d misses=%d\n", p.Name, p.Runs, p.Runtime.Nanoseconds(), p.Misses)
	}
}

// answersShown bounds the first screen for wide port lists.
const answersShown = 64

// portAnswers says of each port asked for what a person would ask, in the namespace of
// the tracer and in every other one that has it in use.
func (t *tracer) portAnswers(pools []lifetime.Range) []terminal.PortAnswer {
	holders := map[uint16]map[uint32][]lifetime.Hold{}
	t.live.Tracker().Each(func(h *lifetime.Hold) {
		if holders[h.Port] == nil {
			holders[h.Port] = map[uint32][]lifetime.Hold{}
		}
		now := *h
		if now.Assigned == 0 {
			now.States = [event.States]time.Duration{} // seen since a moment ago: no age to tell
		}
		holders[h.Port][h.NetNS] = append(holders[h.Port][h.NetNS], now)
	})
	home := t.config.NetNS
	if home == 0 {
		home = ownNetNS()
	}
	var answers []terminal.PortAnswer
	for _, span := range t.config.Ports.Ranges() {
		for port := int(span[0]); port <= int(span[1]) && len(answers) < answersShown; port++ {
			a := terminal.NewPortAnswer(uint16(port))
			for _, p := range pools {
				if held := holders[a.Port][p.NetNS]; p.NetNS == home || len(held) > 0 {
					a.Namespaces = append(a.Namespaces, t.inNetNS(a.Port, p, held))
				}
			}
			answers = append(answers, a)
		}
	}
	return answers
}

func (t *tracer) inNetNS(port uint16, p lifetime.Range, held []lifetime.Hold) terminal.PortInNetNS {
	in := terminal.PortInNetNS{NetNS: p.NetNS, Lo: p.Lo, Hi: p.Hi, InRange: port >= p.Lo && port <= p.Hi, Holders: held}
	if rng := t.ranges.Get(p.NetNS, 0); rng != nil {
		in.Reserved = rng.IsReserved(port)
	}
	return in
}

func ownNetNS() uint32 {
	ns, err := netns.Self()
	if err != nil {
		return 0
	}
	return ns.Inode
}
