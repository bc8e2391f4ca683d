package recording

import (
	"math"
	"math/rand"
	"testing"
	"time"

	"porttrace/internal/ktime"
)

func checkWall(t *testing.T, w ktime.Wall) {
	t.Helper()
	want := w.Time().Format(`"2006-01-02T15:04:05.000000000Z"`)
	if got := string(appendWall(nil, "", w)); got != want {
		t.Fatalf("%d is written as %s, want %s", w, got, want)
	}
}

func TestWallTimes(t *testing.T) {
	const day = ktime.Wall(24 * time.Hour)
	for _, w := range []ktime.Wall{1, -1, 999_999_999, -1_000_000_000, math.MaxInt64, math.MinInt64} {
		checkWall(t, w)
	}
	for w := ktime.WallOf(time.Date(1678, 1, 1, 0, 0, 0, 1, time.UTC)); w < math.MaxInt64-day; w += day {
		checkWall(t, w)
		checkWall(t, w-2)
	}
	rng := rand.New(rand.NewSource(1))
	for range 100_000 {
		checkWall(t, ktime.Wall(rng.Uint64()|1))
	}
}

func BenchmarkWall(b *testing.B) {
	w := ktime.WallOf(time.Date(2026, 11, 25, 22, 41, 17, 123_456_789, time.UTC))
	var buf []byte
	for b.Loop() {
		buf = appendWall(buf[:0], `,"time":`, w)
	}
}
