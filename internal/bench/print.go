package main

import (
	"fmt"
	"io"
	"runtime"
	"slices"
	"sort"
	"strings"
	"text/tabwriter"

	"golang.org/x/sys/unix"
)

func (b *bench) title() {
	var name unix.Utsname
	kernel := "unknown kernel"
	if unix.Uname(&name) == nil {
		kernel = "kernel " + unix.ByteSliceToString(name.Release[:])
	}
	fmt.Fprintf(b.stdout, "%s of %g s, %s, %s, load average %s; %s\n",
		several(b.runs, "round"), b.seconds, several(runtime.NumCPU(), "CPU"), kernel, loadAverage(), b.describe())
}

func (o options) describe() string {
	text := "loopback TCP connects, closed with RST"
	if o.orderly > 0 {
		text += fmt.Sprintf(", one in %d with FIN", o.orderly)
	}
	if o.mix == "all" {
		text += "; IPv4 and IPv6, every third one UDP"
	}
	if o.dial == "net" {
		text += "; clients use package net"
	}
	return text
}

func several(n int, what string) string {
	if n == 1 {
		return "1 " + what
	}
	return fmt.Sprintf("%d %ss", n, what)
}

// results prints a table with a row per contender; the first is the one to compare with.
func (b *bench) results(clients int, table []series) {
	fmt.Fprintf(b.stdout, "\n%s\n", several(clients, "client"))
	w := columns(b.stdout)
	row(w, "", "connections/s", "(min to max)", "of bare", "lost", "recorded", "of", "CPU s/M", "/M recorded", "start s", "peak MB", "bytes each")
	for _, s := range table {
		rates := s.figures(rate)
		cells := []string{s.name, whole(median(rates)),
			"(" + whole(slices.Min(rates)) + " to " + whole(slices.Max(rates)) + ")",
			fmt.Sprintf("%.2f", median(ratios(rates, table[0].figures(rate))))}
		if s.name == table[0].name {
			cells = append(cells, "-", "-", "-", "-", "-", "-", "-", "-") // or the columns fall apart
		} else {
			cells = append(cells, s.costs()...)
		}
		row(w, cells...)
	}
	w.Flush()
	for _, s := range table {
		for _, text := range s.remarks() {
			fmt.Fprintf(b.stdout, "  %s: %s\n", s.name, text)
		}
	}
}

func rate(s sample) float64 { return s.storm.rate() }

func (s series) costs() []string {
	const mega = 1e6
	return []string{
		thousands(s.sum(func(one sample) uint64 { return one.lost })),
		thousands(s.sum(func(one sample) uint64 { return one.recorded })),
		thousands(s.sum(func(one sample) uint64 { return one.expected })),
		fmt.Sprintf("%.1f", median(s.figures(func(one sample) float64 { return perMillion(one.cpu, one.storm.made()) }))),
		fmt.Sprintf("%.1f", median(s.figures(func(one sample) float64 { return perMillion(one.cpu, one.recorded) }))),
		fmt.Sprintf("%.2f", median(s.figures(func(one sample) float64 { return one.before.Seconds() }))),
		fmt.Sprintf("%.0f", slices.Max(s.figures(func(one sample) float64 { return float64(one.peak) / mega }))),
		whole(median(s.figures(func(one sample) float64 { return float64(one.perRecord) }))),
	}
}

// remarks are what the figures alone would hide.
func (s series) remarks() []string {
	var list []string
	if n := s.sum(func(one sample) uint64 { return one.storm.Overflows }); n > 0 {
		list = append(list, thousands(n)+" connects waited a second for the server: take the rate with care")
	}
	if n := s.sum(func(one sample) uint64 { return one.hidden }); n > 0 {
		list = append(list, "the kernel hid "+thousands(n)+" events from it; audits found them and put them right")
	}
	const tolerable = 0.05
	if worst := slices.Max(s.figures(sample.others)); worst > tolerable {
		list = append(list, fmt.Sprintf("others took up to %.0f %% of the CPUs: measure again when it is quiet", 100*worst))
	}
	failed := map[string]uint64{}
	for i, one := range s.samples {
		for errno, n := range one.storm.Failed {
			failed[errno] += n
		}
		for _, note := range one.notes {
			list = append(list, fmt.Sprintf("round %d: %s", i+1, note))
		}
	}
	for errno, n := range failed {
		list = append(list, fmt.Sprintf("%s uses failed with %s", thousands(n), errno))
	}
	sort.Strings(list)
	return list
}

func (b *bench) legend() {
	fmt.Fprint(b.stdout, `
connections/s is the median of the rounds, "of bare" the median of the ratios within each
round. "lost" is what the tracer says, "recorded" what it wrote of the storm, summed over
the rounds. CPU s/M is the tracer process's own user and system time for a million
connections, "/M recorded" for a million lifetimes that it did record; its BPF programs
run on the clients' time. "peak" is the largest resident set (VmHWM), its mapped program
file included, until it had ended. "bytes each": written per lifetime.
`)
}

func columns(w io.Writer) *tabwriter.Writer {
	return tabwriter.NewWriter(w, 0, 0, 2, ' ', tabwriter.AlignRight)
}

func row(w io.Writer, cells ...string) {
	fmt.Fprintln(w, strings.Join(cells, "\t")+"\t")
}

func whole(f float64) string { return thousands(uint64(f + 0.5)) }
