package recording

import (
	"bytes"
	"io"
	"path/filepath"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"porttrace/internal/lifetime"
)

func BenchmarkAppendRecord(b *testing.B) {
	for _, r := range examples() {
		if r.Type != lifetime.Assign && r.Type != lifetime.Release {
			continue
		}
		b.Run(map[lifetime.Type]string{lifetime.Assign: "assign", lifetime.Release: "release"}[r.Type], func(b *testing.B) {
			b.ReportAllocs()
			var buf []byte
			for b.Loop() {
				buf = AppendRecord(buf[:0], r)
			}
			b.SetBytes(int64(len(buf)))
		})
	}
}

func BenchmarkWriter(b *testing.B) {
	benchmark(b, NewWriter(io.Discard))
}

// BenchmarkFile is what recording costs whoever calls; the disk is a real one.
func BenchmarkFile(b *testing.B) {
	for name, file := range map[string]string{"plain": "x.jsonl", "zstd": "x.jsonl.zst"} {
		b.Run(name, func(b *testing.B) {
			f, err := Create(filepath.Join(b.TempDir(), file), Options{RotateSize: 64 << 20, RotateKeep: 1})
			if err != nil {
				b.Fatal(err)
			}
			benchmark(b, f)
			b.ReportMetric(float64(f.Settle())/float64(b.N), "dropped/op")
			f.Close()
		})
	}
}

func benchmark(b *testing.B, w sink) {
	recs := examples()[2:10]
	b.ReportAllocs()
	i := 0
	for b.Loop() {
		if err := w.Write(recs[i%len(recs)]); err != nil {
			b.Fatal(err)
		}
		i++
	}
}

func BenchmarkReader(b *testing.B) {
	var one []byte
	for _, r := range examples() {
		if r.Type == lifetime.Assign || r.Type == lifetime.Release {
			one = AppendRecord(one, r)
		}
	}
	data := bytes.Repeat(one, 1000)
	b.ReportAllocs()
	b.SetBytes(int64(len(data)) / 2000)
	r := NewReader(bytes.NewReader(data))
	for b.Loop() {
		if _, err := r.Read(); err == io.EOF {
			r = NewReader(bytes.NewReader(data))
		} else if err != nil {
			b.Fatal(err)
		}
	}
}

// How fast a recording is replayed on one core: go test -bench Replay -cpu 1.
func BenchmarkReplayPlain(b *testing.B) {
	const lifetimes = 50000
	in := stormLines(lifetimes)
	benchmarkReplay(b, in, lifetimes, len(in))
}

func BenchmarkReplayZstd(b *testing.B) {
	const lifetimes = 50000
	benchmarkReplay(b, packStorm(b, lifetimes), lifetimes, len(stormLines(lifetimes)))
}

// benchmarkReplay reports as MB/s what the lines would be uncompressed. Where others use
// the machine, lifetimes of a second of CPU time tell more than those of a second.
func benchmarkReplay(b *testing.B, in []byte, lifetimes, plain int) {
	b.ReportAllocs()
	rounds := 0
	began := cpuTime(b)
	for b.Loop() {
		n := 0
		r := NewReader(bytes.NewReader(in))
		var err error
		for err == nil {
			err = r.Next(func(rec *lifetime.Record) {
				if rec.Type == lifetime.Release {
					n++
				}
			})
		}
		if err != io.EOF || n != lifetimes {
			b.Fatalf("%d lifetimes of %d: %v", n, lifetimes, err)
		}
		rounds++
	}
	cpu := cpuTime(b) - began
	seconds := b.Elapsed().Seconds()
	b.ReportMetric(float64(rounds*lifetimes)/seconds, "lifetimes/s")
	b.ReportMetric(float64(rounds*lifetimes)/cpu.Seconds(), "lifetimes/cpu-s")
	b.ReportMetric(float64(rounds*plain)/seconds/1e6, "MB/s")
	b.ReportMetric(float64(len(in))/float64(lifetimes), "B/lifetime")
}

// cpuTime is what the process has used so far.
func cpuTime(b *testing.B) time.Duration {
	var used unix.Rusage
	if err := unix.Getrusage(unix.RUSAGE_SELF, &used); err != nil {
		b.Fatal(err)
	}
	return time.Duration(used.Utime.Nano() + used.Stime.Nano())
}
