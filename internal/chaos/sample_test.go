package chaos

import (
	"encoding/csv"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// measures are what is sampled of the tracer in a long run.
var measures = []measure{
	{name: "memory", unit: "MiB", perHold: 2.0 / 1024, slack: 8, part: 0.1},
	{name: "heap", unit: "MiB", perHold: 1.5 / 1024, slack: 4, part: 0.1},
	{name: "goroutines", slack: 2},
	{name: "descriptors", slack: 4},
	{name: "cpu", unit: "% of one CPU", slack: 1, part: 0.5}, // how much there is to do varies
	{name: "held"},
	{name: "lost"},
	{name: "operations"},
}

// measure is one of them, and how much its trend may grow over what is looked at: slack, a
// part of the mean, and so much for each hold that there are more. None of these: as it likes.
type measure struct {
	name, unit           string
	slack, part, perHold float64
}

// sample is the measures at a time since the run began.
type sample struct {
	at     time.Duration
	values []float64
}

// sampler watches a tracer. nil does nothing.
type sampler struct {
	began, last time.Time
	every       time.Duration
	cpu         time.Duration
	samples     []sample
}

// newSampler samples a run of this length some 240 times, each second at the most.
func newSampler(lasts time.Duration) *sampler {
	now := time.Now()
	return &sampler{began: now, last: now, every: max(time.Second, lasts/240)}
}

// take takes a sample if it is time to.
func (s *sampler) take(r *run) {
	if s == nil || time.Since(s.last) < s.every {
		return
	}
	r.t.Helper()
	pid := r.tracer.cmd.Process.Pid
	now, cpu := time.Now(), cpuTime(r.t, pid)
	share := 100 * float64(cpu-s.cpu) / float64(now.Sub(s.last))
	first := s.cpu == 0 // it has the loading of the hooks in it
	s.last, s.cpu = now, cpu
	if first {
		return
	}
	heap, goroutines := r.tracer.runtime()
	r.ledger.mu.Lock()
	operations := r.ledger.operations
	r.ledger.mu.Unlock()
	s.samples = append(s.samples, sample{now.Sub(s.began), []float64{
		resident(r.t, pid) / (1 << 20), heap / (1 << 20), goroutines, descriptors(r.t, pid), share,
		float64(len(r.book.held)), float64(r.book.lost), float64(operations),
	}})
}

// cpuTime is a process's, by CPUCLOCK_SCHED of its pid (clock_getcpuclockid(3)).
func cpuTime(t *testing.T, pid int) time.Duration {
	t.Helper()
	var ts unix.Timespec
	if err := unix.ClockGettime(int32(^pid<<3|2), &ts); err != nil {
		t.Fatalf("asking for the tracer's CPU time: %v", err)
	}
	return time.Duration(ts.Nano())
}

// resident is the anonymous memory of a process: without the ring, which is mapped twice, and
// touched as it turns.
func resident(t *testing.T, pid int) float64 {
	t.Helper()
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", pid))
	_, after, found := strings.Cut(string(text), "\nRssAnon:")
	var kB float64
	if _, scanned := fmt.Sscanf(after, "%g kB", &kB); err != nil || !found || scanned != nil {
		t.Fatalf("reading the tracer's memory: %v, %v", err, scanned)
	}
	return kB * 1024
}

func descriptors(t *testing.T, pid int) float64 {
	t.Helper()
	names, err := os.ReadDir(fmt.Sprintf("/proc/%d/fd", pid))
	if err != nil {
		t.Fatalf("counting the tracer's descriptors: %v", err)
	}
	return float64(len(names))
}

// runtime is what the tracer said last of itself (PORTTRACE_RUNTIME_STATS).
func (tr *tracer) runtime() (heap, goroutines float64) {
	text := tr.stderr.String()
	if i := strings.LastIndex(text, "runtime: "); i >= 0 {
		fmt.Sscanf(text[i:], "runtime: heap=%g goroutines=%g", &heap, &goroutines)
	}
	return heap, goroutines
}

// conclude writes what was sampled to a folder, if one is named, and checks that nothing
// grows.
func (s *sampler) conclude(t *testing.T) {
	if s == nil {
		return
	}
	t.Helper()
	if dir := os.Getenv(dirEnv); dir != "" {
		s.write(t, dir)
	}
	s.check(t)
}

func (s *sampler) write(t *testing.T, dir string) {
	t.Helper()
	var table strings.Builder
	w := csv.NewWriter(&table)
	header := []string{"seconds"}
	for _, m := range measures {
		header = append(header, m.name)
	}
	_ = w.Write(header) // a Builder does not fail
	for _, p := range s.samples {
		row := []string{fmt.Sprintf("%.1f", p.at.Seconds())}
		for _, v := range p.values {
			row = append(row, strconv.FormatFloat(v, 'f', -1, 64))
		}
		_ = w.Write(row)
	}
	w.Flush()
	for name, text := range map[string]string{".csv": table.String(), ".svg": s.chart()} {
		path := filepath.Join(dir, t.Name()+name)
		if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
		t.Logf("samples of the tracer: %s", path)
	}
}
