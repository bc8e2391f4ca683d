package main

import (
	"fmt"
	"os"
	"sort"
	"strings"
	"time"

	"github.com/cilium/ebpf"
	"golang.org/x/sys/unix"
)

// cost is the kernel's statistics of one BPF program.
type cost struct {
	name   string
	kind   ebpf.ProgramType
	runs   uint64
	time   time.Duration
	missed uint64
}

func (c cost) perRun() float64 {
	return float64(c.time.Nanoseconds()) / float64(max(1, c.runs))
}

// programs measures each tracer's BPF programs, and what one that does nothing costs
// with the clock running. The statistics are tied to a descriptor: they end with this
// process however it ends.
func (b *bench) programs(all []contender) error {
	on, err := ebpf.EnableStats(uint32(unix.BPF_STATS_RUN_TIME))
	if err != nil {
		return fmt.Errorf("turning BPF statistics on: %w", err)
	}
	defer on.Close()
	clients := b.clients[0]
	idle, err := b.empties(clients)
	if err != nil {
		return err
	}
	fmt.Fprintf(b.stdout, "\nBPF programs, %s, %s\n", several(clients, "client"), b.describe())
	for _, c := range all {
		if c.command == nil {
			continue
		}
		costs, storm, err := b.costs(c, clients)
		if err != nil {
			return err
		}
		b.programTable(c.name, costs, storm, idle)
	}
	fmt.Fprint(b.stdout, "\nA program that does nothing takes, with statistics on:")
	for _, c := range idle {
		fmt.Fprintf(b.stdout, "  %s %.0f ns", c.name, c.perRun())
	}
	fmt.Fprintln(b.stdout, ".\n\"net\" is without that. Per connection counts both ends.")
	return nil
}

// costs runs one storm under the tracer.
func (b *bench) costs(c contender, clients int) ([]cost, outcome, error) {
	fail := func(err error) ([]cost, outcome, error) { return nil, outcome{}, b.why(err) }
	place, err := enter(b.ctx, b.options, clients)
	if err != nil {
		return fail(err)
	}
	defer place.leave()
	c.command = withStats(c.command)
	t, err := c.start(b.ctx, b.dir)
	if err != nil {
		return fail(err)
	}
	defer os.Remove(t.output)
	storm, err := place.storm()
	if err != nil {
		t.kill()
		return fail(err)
	}
	costs, err := programsOf(t.cmd.Process.Pid)
	if err != nil {
		t.kill()
		return fail(err)
	}
	if err := t.stop(); err != nil {
		return fail(err)
	}
	if _, err := t.accountFor(storm); err != nil {
		return fail(err)
	}
	return merge(costs, t.said), storm, nil
}

func (b *bench) programTable(tracer string, costs []cost, storm outcome, idle []cost) {
	fmt.Fprintf(b.stdout, "\n%s, %s connections at %s/s\n", tracer, thousands(storm.made()), whole(storm.rate()))
	sort.Slice(costs, func(i, j int) bool { return costs[i].time > costs[j].time })
	w := columns(b.stdout)
	row(w, "program", "runs/connection", "ns/run", "net", "ns/connection", "net", "missed")
	var gross, net float64
	for _, c := range costs {
		if c.runs == 0 {
			continue
		}
		runs := float64(c.runs) / float64(max(1, storm.made()))
		each := c.perRun()
		clean := max(0, each-overhead(c.kind, idle))
		gross += runs * each
		net += runs * clean
		row(w, c.name, fmt.Sprintf("%.3f", runs), whole(each), whole(clean), whole(runs*each), whole(runs*clean), thousands(c.missed))
	}
	row(w, "sum", "", "", "", whole(gross), whole(net), "")
	w.Flush()
}

// overhead is what an empty program of this kind costs, or failing one of its kind, of
// any that was measured.
func overhead(kind ebpf.ProgramType, idle []cost) float64 {
	var any float64
	for i, c := range idle {
		if c.kind == kind {
			return c.perRun()
		}
		if i == 0 {
			any = c.perRun()
		}
	}
	return any
}

// merge prefers what the tracer says about its programs at its end to what the kernel
// told shortly before: it knows their full names.
func merge(seen []cost, said []string) []cost {
	var told []cost
	for _, line := range said {
		c, ok := statsLine(line)
		if !ok {
			continue
		}
		for _, s := range seen {
			if strings.HasPrefix(c.name, s.name) {
				c.kind = s.kind
			}
		}
		told = append(told, c)
	}
	if len(told) == 0 {
		return seen
	}
	return told
}

// statsLine reads "bpf: NAME runs=N ns=TOTAL misses=M".
func statsLine(line string) (c cost, ok bool) {
	var ns int64
	n, _ := fmt.Sscanf(line, "bpf: %s runs=%d ns=%d misses=%d", &c.name, &c.runs, &ns, &c.missed)
	c.time = time.Duration(ns)
	return c, n == 4
}
