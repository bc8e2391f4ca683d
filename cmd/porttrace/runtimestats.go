//go:build linux

package main

import (
	"fmt"
	"runtime/metrics"
	"time"

	"porttrace/internal/ktime"
)

// runtimeStats tells on standard error, for those who watch a tracer over hours, what the
// kernel does not know of it. PORTTRACE_RUNTIME_STATS=10s asks for it.
type runtimeStats struct {
	every   time.Duration
	next    ktime.Time
	samples []metrics.Sample
}

func newRuntimeStats(every string) *runtimeStats {
	d, err := time.ParseDuration(every)
	if err != nil || d <= 0 {
		return nil
	}
	return &runtimeStats{every: d, samples: []metrics.Sample{
		{Name: "/gc/heap/live:bytes"}, // what the last collection left
		{Name: "/sched/goroutines:goroutines"},
	}}
}

// writeRuntimeStats writes a line, if it is time to.
func (t *tracer) writeRuntimeStats() {
	s, now := t.runtime, ktime.Now()
	if s == nil || now < s.next {
		return
	}
	s.next = now.Add(s.every)
	metrics.Read(s.samples)
	fmt.Fprintf(t.env.stderr, "runtime: heap=%d goroutines=%d held=%d\n",
		s.samples[0].Value.Uint64(), s.samples[1].Value.Uint64(), t.live.Tracker().Held())
}
