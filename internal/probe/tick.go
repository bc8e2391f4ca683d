package probe

import (
	"errors"
	"fmt"
	"time"

	"github.com/cilium/ebpf"
)

// clocks is the program that samples both clocks, of the stable set.
const clocks = "clocks"

// setTick measures the length of a jiffy and tells it to the hooks. CONFIG_HZ is one
// of a few values, so a tenth of a second is enough to know which.
func (p *Probe) setTick() error {
	before, err := p.sampleClocks()
	if err != nil {
		return err
	}
	time.Sleep(100 * time.Millisecond)
	after, err := p.sampleClocks()
	if err != nil {
		return err
	}
	tick := tickLength(after.jiffies-before.jiffies, time.Duration(after.boot-before.boot))
	if err := p.coll.Variables["tick_ns"].Set(uint64(tick)); err != nil {
		return fmt.Errorf("measuring the tick: %w", err)
	}
	return nil
}

type clockSample struct{ jiffies, boot uint64 }

func (p *Probe) sampleClocks() (clockSample, error) {
	var s clockSample
	if _, err := p.coll.Programs[clocks].Run(&ebpf.RunOptions{}); err != nil {
		return s, fmt.Errorf("measuring the tick: %w", err)
	}
	err := errors.Join(
		p.coll.Variables["clock_jiffies"].Get(&s.jiffies),
		p.coll.Variables["clock_boot"].Get(&s.boot),
	)
	if err != nil {
		return s, fmt.Errorf("measuring the tick: %w", err)
	}
	return s, nil
}

// tickLength returns the length of a jiffy for the CONFIG_HZ nearest to what was seen.
func tickLength(jiffies uint64, elapsed time.Duration) time.Duration {
	seen := float64(jiffies) / elapsed.Seconds()
	best := 100.0
	for _, hz := range []float64{250, 300, 1000} {
		if abs(seen-hz)/hz < abs(seen-best)/best {
			best = hz
		}
	}
	return time.Duration(float64(time.Second) / best)
}

func abs(f float64) float64 { return max(f, -f) }
