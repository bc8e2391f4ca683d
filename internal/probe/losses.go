package probe

import (
	"fmt"
	"time"
)

// ProgramStats is what the kernel counts of one hook while kernel.bpf_stats_enabled
// is 1; Misses is counted always.
type ProgramStats struct {
	Name    string
	Runs    uint64
	Runtime time.Duration
	Misses  uint64
}

// Stats returns the kernel's statistics of each hook in use.
func (p *Probe) Stats() ([]ProgramStats, error) {
	stats := make([]ProgramStats, 0, len(p.hooks))
	for _, h := range p.hooks {
		s, err := p.coll.Programs[h.program].Stats()
		if err != nil {
			return nil, fmt.Errorf("reading statistics of %s: %w", h.program, err)
		}
		stats = append(stats, ProgramStats{h.program, s.RunCount, s.Runtime, s.RecursionMisses})
	}
	return stats, nil
}

// Losses is what could not be told, by place.
type Losses struct {
	Ring      uint64 // the ring had no room
	CPU       uint64 // the same, while a limit of the reader's kept it from reading, which it tells itself
	Map       uint64 // a map or socket storage refused an entry
	Recursion uint64 // the kernel skipped a hook that was at work already on that CPU, and its second instance
}

// Total is the number of events lost.
func (l Losses) Total() uint64 { return l.Ring + l.CPU + l.Map + l.Recursion }

// NewLosses returns what was lost since the last call.
func (p *Probe) NewLosses() (Losses, error) {
	var slots [2]uint64
	if err := p.coll.Variables["losses"].Get(&slots); err != nil {
		return Losses{}, fmt.Errorf("reading losses: %w", err)
	}
	now := Losses{Ring: slots[0], Map: slots[1]}
	last := p.lastSeen
	var err error
	if now.Recursion, err = p.skipped(last.Recursion); err != nil {
		return Losses{}, err
	}
	p.lastSeen = now
	return Losses{Ring: now.Ring - last.Ring, Map: now.Map - last.Map, Recursion: now.Recursion - last.Recursion}, nil
}

// skipped counts the runs that the kernel skipped and no second instance took over: last
// or more, where that is what it counted before.
func (p *Probe) skipped(last uint64) (uint64, error) {
	if p.links == nil && p.set == Fentry {
		return max(p.keptSkipped, last), nil
	}
	missed, err := p.missed()
	if err != nil {
		return 0, err
	}
	lost, err := p.unrescued(missed)
	for try := 0; err == nil && lost > last && p.awaitRescue(try); try++ {
		lost, err = p.unrescued(missed)
	}
	return max(lost, last), err
}

// keepSkipped counts before hooks come off one by one: a second instance in the fentry set
// that is alone then takes over what nobody missed.
func (p *Probe) keepSkipped() (err error) {
	if p.links != nil && p.set == Fentry {
		p.keptSkipped, err = p.skipped(p.lastSeen.Recursion)
	}
	return err
}

// perTwin is a count for each kind of twins.
type perTwin [bpfTwinTWINS]uint64

// missed is how many runs the kernel has skipped that were a first instance's.
func (p *Probe) missed() (missed perTwin, err error) {
	for _, h := range p.hooks {
		if h.rescues {
			continue
		}
		stats, err := p.coll.Programs[h.program].Stats()
		if err != nil {
			return missed, fmt.Errorf("reading statistics of %s: %w", h.program, err)
		}
		missed[h.twin] += stats.RecursionMisses
	}
	return missed, nil
}

// rescued is how many of them the second instances took over.
func (p *Probe) rescued() (rescued perTwin, err error) {
	if err := p.coll.Variables["rescued"].Get(&rescued); err != nil {
		return rescued, fmt.Errorf("reading losses: %w", err)
	}
	return rescued, nil
}

// unrescued is how many of the runs missed so far were not taken over, by now: more may have
// been missed since.
func (p *Probe) unrescued(missed perTwin) (lost uint64, err error) {
	rescued, err := p.rescued()
	if err != nil {
		return 0, err
	}
	for twin, n := range missed {
		n, taken := n-min(n, p.before.missed[twin]), rescued[twin]-p.before.rescued[twin]
		lost += n - min(n, taken)
	}
	return lost, nil
}
