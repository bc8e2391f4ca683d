package chaos

import (
	"math"
	"testing"
	"time"
)

// fewSamples tell no trend.
const fewSamples = 20

// check fails the test where something grows that is to be constant. The first third is
// for what grows until it is full: TIME_WAIT takes a minute, caches take their time.
func (s *sampler) check(t *testing.T) {
	t.Helper()
	late := s.samples[len(s.samples)/3:]
	if len(late) < fewSamples {
		t.Logf("%d samples are too few to tell a trend", len(late))
		return
	}
	_, more := trend(late, indexOf("held"))
	for i, m := range measures {
		mean, grown := trend(late, i)
		t.Logf("%-11s %10.1f on average, %+.2f from %v to %v (the line that fits best) %s",
			m.name, mean, grown, late[0].at.Round(time.Second), late[len(late)-1].at.Round(time.Second), m.unit)
		allowed := m.slack + m.part*mean + m.perHold*max(more, 0)
		if allowed > 0 && grown > allowed {
			t.Errorf("%s grows by %.2f %s, and %.2f are allowed", m.name, grown, m.unit, allowed)
		}
	}
}

func indexOf(name string) int {
	for i, m := range measures {
		if m.name == name {
			return i
		}
	}
	panic(name)
}

// trend fits a line (least squares), and returns the mean and how much the line rises.
func trend(samples []sample, of int) (mean, grown float64) {
	var at float64
	for _, p := range samples {
		at += p.at.Seconds()
		mean += p.values[of]
	}
	n := float64(len(samples))
	at, mean = at/n, mean/n
	var both, spread float64
	for _, p := range samples {
		d := p.at.Seconds() - at
		both += d * (p.values[of] - mean)
		spread += d * d
	}
	if spread == 0 {
		return mean, 0
	}
	return mean, both / spread * (samples[len(samples)-1].at - samples[0].at).Seconds()
}

// What leaks is found, what varies is not.
func TestTrend(t *testing.T) {
	var leak, steady []sample
	for i := range 100 {
		at := time.Duration(i) * time.Second
		wave := 5 * math.Sin(float64(i))
		leak = append(leak, sample{at, []float64{50 + 0.2*float64(i) + wave}})
		steady = append(steady, sample{at, []float64{50 + wave}})
	}
	if mean, grown := trend(leak, 0); math.Abs(grown-19.8) > 1 || math.Abs(mean-59.9) > 1 {
		t.Errorf("a leak of 19.8 grows by %v around %v", grown, mean)
	}
	if _, grown := trend(steady, 0); math.Abs(grown) > 1 {
		t.Errorf("a wave grows by %v", grown)
	}
}
