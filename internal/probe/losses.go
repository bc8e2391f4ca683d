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
// or more, where that is what it counted before. What is being skipped meanwhile may count as
// not taken over yet, so the least of several counts is taken; none is too low.
func (p *Probe) skipped(last uint64) (uint64, error) {
	if p.links == nil {
		return max(p.keptSkipped, last), nil
	}
	lost, err := p.unrescued()
	for try := 0; err == nil && lost > last && try < rescuePatience; try++ {
		awaitRescue()
		var again uint64
		again, err = p.unrescued()
		lost = min(lost, again)
	}
	return max(lost, last), err
}

// keepSkipped counts before hooks come off one by one: a second instance that is alone then
// takes over what nobody missed.
func (p *Probe) keepSkipped() (err error) {
	if p.links != nil {
		p.keptSkipped, err = p.skipped(p.lastSeen.Recursion)
	}
	return err
}
