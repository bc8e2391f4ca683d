//go:build linux

package main

import (
	"strconv"
	"strings"

	"github.com/spf13/pflag"

	"porttrace/internal/flagvalue"
	"porttrace/internal/probe"
	"porttrace/internal/terminal"
)

// defaultBuffer is the size of the kernel ring buffer: some 70,000 events.
const defaultBuffer = flagvalue.Size(16 << 20)

// mostCPU is the largest --max-cpu: a hundred CPUs are no limit.
const mostCPU = 10_000

// traceFlags is the tracer's command line.
type traceFlags struct {
	filters *pflag.FlagSet // those that say what is traced

	ports    flagvalue.Ports
	explicit bool
	filterFlags

	output   flagvalue.File
	rotate   flagvalue.FileSize
	keep     flagvalue.Count
	format   flagvalue.Choice
	columns  flagvalue.Columns
	quiet    bool
	states   bool
	duration flagvalue.Duration

	hooks   flagvalue.Choice
	buffer  flagvalue.Size
	holds   flagvalue.Count
	cpu     flagvalue.Count
	version bool
}

func (t *traceFlags) bind(set *flagSet) {
	f := set.group("Filters (flags combine with and, the values of one flag with or)")
	t.filters = f
	f.VarP(&t.ports, "port", "p", "only these local ports, and their explicit holds too: 60568 or 60000-60999,443")
	f.BoolVar(&t.explicit, "explicit", false, "also ports that the program asked for by number")
	t.filterFlags.bind(f)

	f = set.group("Output")
	f.VarP(&t.output, "output", "o", "the recording; .zst compresses, - is standard output, none records nothing (default porttrace-<UTC time>.jsonl)")
	f.Var(&t.rotate, "rotate-size", "begin a new file when the recording has this size; older parts are FILE.1, FILE.2, ... before its suffix")
	t.keep = flagvalue.NewCount(1 << 20)
	f.Var(&t.keep, "rotate-keep", "delete the oldest part when there are more than this many")
	t.format = flagvalue.NewChoice("table", "json")
	f.Var(&t.format, "format", "what standard output shows: a table, or the recording's JSON lines")
	t.columns = flagvalue.NewColumns(terminal.ColumnNames())
	f.Var(&t.columns, "columns", "the table's columns in this order; +NAME adds one to those that the terminal has room for: "+
		strings.Join(terminal.ColumnNames(), ", "))
	f.BoolVarP(&t.quiet, "quiet", "q", false, "no table")
	f.BoolVar(&t.states, "states", false, "record each change of state, as --port does by itself")
	f.Var(&t.duration, "duration", "stop after this time: 30s, 10m, 1h30m")

	f = set.group("Kernel")
	t.hooks = flagvalue.NewChoice("auto", "fentry", "stable")
	f.Var(&t.hooks, "hooks", "which hooks; auto takes fentry where it works")
	t.buffer = defaultBuffer
	f.Var(&t.buffer, "buffer-size", "kernel ring buffer, 4KiB to 1GiB, rounded up to a power of two")

	t.holds = flagvalue.NewCount(1 << 24)
	_ = t.holds.Set(strconv.Itoa(probe.DefaultMaxHolds))
	f.Var(&t.holds, "max-holds", "holds followed at a time, on sockets and in TIME_WAIT each; more are counted as lost")

	t.cpu = flagvalue.NewCount(mostCPU)
	f.Var(&t.cpu, "max-cpu", "leave out detail, then events, before porttrace takes more than this many percent of one CPU")

	f = set.group("Other")
	f.BoolVar(&t.version, "version", false, "the version")
}
