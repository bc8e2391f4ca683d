package main

import (
	"fmt"
	"os"
	"runtime"
)

// replay measures what can be done with the latest recording on one core.
func (b *bench) replay() error {
	if b.kept == "" {
		return nil
	}
	defer runtime.GOMAXPROCS(runtime.GOMAXPROCS(1))
	compressed, err := packed(b.kept)
	if err != nil {
		return b.why(err)
	}
	defer os.Remove(compressed)
	fmt.Fprintf(b.stdout, "\nThe last recording read again, one core, load average %s\n", loadAverage())
	w := columns(b.stdout)
	row(w, "", "lifetimes", "records", "MB", "bytes each", "lifetimes/s", "records/s", "events/s")
	for _, way := range []struct {
		name, path string
		run        func(string) (pass, error)
	}{
		{"reader, plain", b.kept, readThrough},
		{"reader, zstd", compressed, readThrough},
		{"tracker", b.kept, tracked},
	} {
		cells, err := b.passes(way.path, way.run)
		if err != nil {
			return b.why(fmt.Errorf("%s: %w", way.name, err))
		}
		row(w, append([]string{way.name}, cells...)...)
	}
	w.Flush()
	fmt.Fprint(b.stdout, `
A second is one of CPU time, with the garbage collector's; the median of three times. The
zstd file is the plain one through porttrace's own recorder. "bytes each" is for a lifetime,
records of the whole host counted. The tracker is given back the events behind the records;
reading them does not count.
`)
	return nil
}

// passes goes through the recording three times: the first one meets cold caches.
func (b *bench) passes(path string, run func(string) (pass, error)) ([]string, error) {
	info, err := os.Stat(path)
	if err != nil {
		return nil, fmt.Errorf("looking at the recording: %w", err)
	}
	var last pass
	var seconds []float64
	for range 3 {
		if b.ctx.Err() != nil {
			return nil, b.ctx.Err()
		}
		if last, err = run(path); err != nil {
			return nil, err
		}
		seconds = append(seconds, last.cpu.Seconds())
	}
	each := float64(info.Size()) / float64(max(1, last.lifetimes))
	cells := []string{thousands(last.lifetimes), thousands(last.records),
		fmt.Sprintf("%.1f", float64(info.Size())/1e6), whole(each)}
	if last.events > 0 { // the file's size says nothing about the tracker
		cells[2], cells[3] = "-", "-"
	}
	for _, n := range []uint64{last.lifetimes, last.records, last.events} {
		cells = append(cells, perSecond(n, median(seconds)))
	}
	return cells, nil
}

// perSecond is "-" for what does not occur.
func perSecond(n uint64, seconds float64) string {
	if n == 0 || seconds <= 0 {
		return "-"
	}
	return whole(float64(n) / seconds)
}
