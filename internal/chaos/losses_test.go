package chaos

import (
	"syscall"
	"testing"
	"time"
)

// A tracer that could not follow says so, its recording adds up all the same, and what
// it holds is true again.
func TestChaosLosses(t *testing.T) {
	r := newRun(t, 15*time.Second)
	r.lossy = true
	r.populate(3)
	r.trace("--buffer-size", "64K")
	starved := false
	r.live(func() {
		r.disturb()
		if r.rng.IntN(5) == 0 {
			r.starve()
			starved = true
		}
	}, func() {
		if !starved { // each round has its losses
			r.resume()
			r.starve()
			r.pause()
		}
		starved = false
		r.judge()
	})
	r.conclude()
	if end := r.book.end; end.Lost == 0 || end.Complete {
		t.Errorf("with losses the end record says %+v", *end)
	}
}

// starve stops the tracer until its ring must have overflowed, and waits until it has
// said so.
func (r *run) starve() {
	r.t.Helper()
	r.book.catchUp()
	lost := r.book.lost
	r.tracer.signal(syscall.SIGSTOP)
	// Each of these ports is an event at least, and the ring has room for some 300.
	until := r.ledger.total() + 600
	r.await("traffic while the tracer stands still", func() bool { return r.ledger.total() >= until })
	r.tracer.signal(syscall.SIGCONT)
	r.await("the tracer says what it lost", func() bool {
		r.book.catchUp()
		return r.book.lost > lost
	})
}
