package page

import (
	"time"

	"porttrace/internal/ktime"
)

// maxBins is how many bins time is cut into, at most; from the first doubling on there are
// at least half as many.
const maxBins = 480

// firstWidth is how wide bins are to begin with.
const firstWidth = time.Millisecond

// timeline cuts time into bins of equal width. Bins keep their contents as it grows: what
// is kept by bin follows with halve and shift.
type timeline struct {
	origin ktime.Wall // where bin 0 begins; zero: nothing yet
	width  time.Duration
	bins   int // in use
}

// binned is something kept by bin.
type binned interface {
	halve()      // two bins become one
	shift(n int) // n bins come before the first
}

// reach makes room for an instant. Several recordings come one after the other, so it may
// lie before all that has been.
func (t *timeline) reach(at ktime.Wall, kept func(func(binned))) {
	if t.origin == 0 {
		t.origin, t.width, t.bins = at, firstWidth, 1
		return
	}
	for at < t.origin {
		ahead := int((t.origin.Sub(at) + t.width - 1) / t.width)
		if ahead > maxBins || ahead+t.bins > maxBins {
			t.double(kept)
			continue
		}
		t.origin -= ktime.Wall(time.Duration(ahead) * t.width)
		t.bins += ahead
		kept(func(b binned) { b.shift(ahead) })
	}
	for at.Sub(t.origin) >= maxBins*t.width {
		t.double(kept)
	}
	t.bins = max(t.bins, int(at.Sub(t.origin)/t.width)+1)
}

func (t *timeline) double(kept func(func(binned))) {
	t.width *= 2
	t.bins = (t.bins + 1) / 2
	kept(func(b binned) { b.halve() })
}

// bin returns the bin of an instant, the nearest one if it lies outside.
func (t *timeline) bin(at ktime.Wall) int {
	if at <= t.origin {
		return 0
	}
	return min(int(at.Sub(t.origin)/t.width), max(t.bins-1, 0))
}

// begin returns the instant at which a bin begins.
func (t *timeline) begin(bin int) ktime.Wall {
	return t.origin + ktime.Wall(time.Duration(bin)*t.width)
}
