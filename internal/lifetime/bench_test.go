package lifetime

import (
	"fmt"
	"testing"

	"porttrace/internal/event"
	"porttrace/internal/ktime"
)

// How many events a second one core takes, while few and while many holds live on:
// go test -bench Tracker -cpu 1. Each op is an assign and a release.
func BenchmarkTracker(b *testing.B) {
	for _, reason := range []event.Reason{event.Closed, event.TimeWaitKilled} {
		for _, live := range []int{100, 250_000} {
			b.Run(fmt.Sprintf("%s/live=%d", reason, live), func(b *testing.B) {
				benchmarkTracker(b, live, reason)
			})
		}
	}
}

// benchmarkTracker keeps so many holds alive: each op begins one and ends the oldest. An
// end that is provisional comes due at once: no tuple occurs twice.
func benchmarkTracker(b *testing.B, live int, reason event.Reason) {
	tr := NewTracker(new(ktime.Clock), plain{}, false, func(*Record) {})
	born := func(n int) ktime.Time { return ktime.Time(1000 * (n + 1)) }
	e := at(event.Assign, 0, event.Established, nil)
	tell := func(kind event.Kind, n int, now ktime.Time) {
		e.Kind, e.Time = kind, now
		e.Hold.ID = event.ID{Cookie: uint64(n), Born: born(n)}
		e.Hold.Assigned = born(n)
		e.Hold.Port, e.Hold.DstPort = uint16(n), uint16(n>>16)+1
		tr.Handle(e)
	}
	for n := range live {
		tell(event.Assign, n, born(n))
	}
	b.ReportAllocs()
	n := live
	for b.Loop() {
		now := born(n)
		tell(event.Assign, n, now)
		e.Reason = reason
		tell(event.Release, n-live, now)
		tr.Advance(now.Add(grace))
		n++
	}
	if tr.Held() != live {
		b.Fatalf("%d holds, want %d", tr.Held(), live)
	}
	b.ReportMetric(2*float64(b.N)/b.Elapsed().Seconds(), "events/s")
}
