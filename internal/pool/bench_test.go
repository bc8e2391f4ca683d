package pool

import (
	"testing"

	"porttrace/internal/event"
	"porttrace/internal/netns"
)

// BenchmarkCensus tells the cost of a hold, which censusCost stands on.
func BenchmarkCensus(b *testing.B) {
	rng, err := parseRange("32768 60999", "")
	if err != nil {
		b.Fatal(err)
	}
	ranges := NewRanges()
	ranges.known[home] = &remembered{rng: rng, ns: netns.NS{Inode: home}, read: ranges.now(), lasts: retry}
	var h held
	h.add(20000, 32768, connectTo(server))
	h.add(8000, 52768, bound(event.TCP, here))
	found := 0
	for b.Loop() {
		ranges.known[home].read = ranges.now()
		takeCensus(ranges, &h).full(func(Key, use) { found++ })
	}
	b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N*len(h)), "ns/hold")
}
