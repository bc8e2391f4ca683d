package scenario

import (
	"testing"
	"time"

	"porttrace/internal/diagnose"
	"porttrace/internal/lifetime"
)

// certain is from how long before the first failure on its moment is foretold.
const certain = 30 * time.Second

// checkForecasts compares what pool records foretold of the ramps with when ports really
// ran out, and wants none of a pool that settles.
func checkForecasts(t *testing.T, plots []*plot, steady *plot) {
	for _, p := range plots {
		if p.failed != 0 {
			p.checkForecast(t)
		}
	}
	n := 0
	for _, r := range steady.d.tr.all(steady.in(lifetime.Pool)) {
		n++
		if r.Pool.Exhausts >= 0 {
			t.Errorf("steady: %d of %d in use, %d in TIME_WAIT, is to run out in %v", r.Pool.InUse, r.Pool.Usable, r.Pool.TimeWait, r.Pool.Exhausts)
		}
	}
	if n == 0 {
		t.Error("steady: no pool record")
	}
	if at, ok := steady.d.told(steady.ns, diagnose.Exhausting); ok {
		t.Errorf("steady: %s", at.Title)
	}
}

func (p *plot) checkForecast(t *testing.T) {
	n := 0
	for _, r := range p.d.tr.all(p.in(lifetime.Pool)) {
		left := p.failed.Sub(r.Time)
		if left > certain || left <= 0 {
			continue
		}
		n++
		off := r.Pool.Exhausts - left
		t.Logf("%s: %v left, %v foretold, %d of %d in use", p.name, left, r.Pool.Exhausts, r.Pool.InUse, r.Pool.Usable)
		if r.Pool.Exhausts < 0 || off.Abs() > left/10+time.Second {
			t.Errorf("%s: runs out in %v, foretold %v: %+v", p.name, left, r.Pool.Exhausts, *r.Pool)
		}
	}
	if n < 2 {
		t.Errorf("%s: %d pool records in the last %v", p.name, n, certain)
	}
	at, ok := p.d.told(p.ns, diagnose.Exhausting)
	if want := p.verdict(p).cause; !ok || at.at > p.failed || len(at.Because) == 0 || at.Because[0] != want {
		t.Errorf("%s: that ports run out was told %v before, because of %v, want %s (told: %v)", p.name, p.failed.Sub(at.at), at.Because, want, ok)
	}
}
