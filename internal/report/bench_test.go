package report

import (
	"bytes"
	"io"
	"runtime"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"porttrace/internal/ktime"
	"porttrace/internal/pipeline"
)

// How fast a report reads on one core: go test -bench Report -cpu 1. Where others use the
// machine, records of a second of CPU time tell more than those of a second.
func BenchmarkReport(b *testing.B) {
	const records = 200_000
	var recorded bytes.Buffer
	if _, err := io.Copy(&recorded, newStormReader(newStorm(1, 28_000, 300), records)); err != nil {
		b.Fatal(err)
	}
	for name, opts := range map[string]Options{
		"all":    {Top: 10},
		"window": {Top: 10, Since: epoch + ktime.Wall(100*ms), Until: epoch + ktime.Wall(time.Hour)},
	} {
		b.Run(name, func(b *testing.B) {
			b.ReportAllocs()
			began := cpuTime(b)
			rounds := 0
			for b.Loop() {
				read(b, opts, bytes.NewReader(recorded.Bytes()))
				rounds++
			}
			n := float64(rounds * records)
			b.ReportMetric(n/b.Elapsed().Seconds(), "records/s")
			b.ReportMetric(n/(cpuTime(b)-began).Seconds(), "records/cpu-s")
		})
	}
}

// BenchmarkMemory reads a recording that has no end of processes, and fails where memory
// has none either: go test -bench Memory -benchtime 1x.
func BenchmarkMemory(b *testing.B) {
	const (
		records = 20_000_000 // ten million lifetimes
		atMost  = 192 << 20
	)
	for b.Loop() {
		var before, after runtime.MemStats
		runtime.GC()
		runtime.ReadMemStats(&before)
		c := read(b, Options{Top: 10}, newStormReader(newStorm(2, 28_000, 4_000_000), records))
		runtime.GC()
		runtime.ReadMemStats(&after)
		kept := int64(after.HeapAlloc) - int64(before.HeapAlloc)
		b.ReportMetric(float64(kept)/1e6, "MB-kept")
		b.ReportMetric(float64(after.Sys)/1e6, "MB-of-the-system")
		if kept > atMost {
			b.Errorf("%d records left %d bytes, want at most %d", records, kept, int64(atMost))
		}
		if s := c.Summary(); s.Counts.Lifetimes() < records/2 || s.Processes.Hidden == 0 {
			b.Errorf("%d lifetimes, %d processes not shown", s.Counts.Lifetimes(), s.Processes.Hidden)
		}
	}
}

func read(b *testing.B, opts Options, from io.Reader) *Collector {
	in, err := OpenInputs([]string{Stdin}, from)
	if err != nil {
		b.Fatal(err)
	}
	c := New(opts)
	if err := pipeline.Run(b.Context(), in.Source(c), c); err != nil {
		b.Fatal(err)
	}
	return c
}

// cpuTime is what the process has used so far.
func cpuTime(b *testing.B) time.Duration {
	var used unix.Rusage
	if err := unix.Getrusage(unix.RUSAGE_SELF, &used); err != nil {
		b.Fatal(err)
	}
	return time.Duration(used.Utime.Nano() + used.Stime.Nano())
}
