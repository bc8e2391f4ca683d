package probe

import (
	"fmt"
	"time"

	"golang.org/x/sys/unix"

	"porttrace/internal/ktime"
)

// counts are what hooks that are attached twice have counted (bpf/calls.h), and those that are not.
type counts struct {
	rescued uint64 // by second instances
	missed  misses
}

// misses are runs that the kernel has skipped: of hooks with a second instance, whose own
// ones do not count, and of those without.
type misses struct{ twins, alone uint64 }

// counts reads what was missed last: each run that was taken over by then was missed before.
func (p *Probe) counts() (c counts, err error) {
	if err := p.coll.Variables["rescued"].Get(&c.rescued); err != nil {
		return counts{}, fmt.Errorf("reading losses: %w", err)
	}
	for _, h := range p.hooks {
		if h.rescues {
			continue
		}
		stats, err := p.coll.Programs[h.program].Stats()
		if err != nil {
			return counts{}, fmt.Errorf("reading statistics of %s: %w", h.program, err)
		}
		if h.twin {
			c.missed.twins += stats.RecursionMisses
		} else {
			c.missed.alone += stats.RecursionMisses
		}
	}
	return c, nil
}

// unrescued is how many of the runs missed so far were not taken over, or not yet.
func (p *Probe) unrescued() (lost uint64, err error) {
	now, err := p.counts()
	if err != nil {
		return 0, err
	}
	missed, taken := now.missed.twins-p.before.missed.twins, now.rescued-p.before.rescued
	return now.missed.alone - p.before.missed.alone + missed - min(missed, taken), nil
}

// settle is called when every hook is attached, and counts from here on: a second instance
// that was attached alone has taken over what nobody missed. What was under way when the
// last hook was attached is over then, too: a mini-socket that nobody has claimed never will
// be (look_tw). Only calls that sleep in the function may still meet a second instance alone.
func (p *Probe) settle() error {
	if err := p.coll.Variables["attached"].Set(uint64(ktime.Now())); err != nil {
		return fmt.Errorf("telling the hooks that all are attached: %w", err)
	}
	awaitRunning()
	last, err := p.counts()
	for try := 0; err == nil && try < settling; try++ {
		p.before, err = p.counts()
		if p.before == last {
			break // nothing was skipped or taken over meanwhile
		}
		last = p.before
	}
	return err
}

// settling is how often settle tries to catch a moment when nothing is skipped: it takes a
// tenth of a millisecond, and a thousand skips in a second are many.
const settling = 100

// rescuePatience is how often awaitRescue is worth calling.
const rescuePatience = 10

// awaitRescue waits for second instances: a run may have been skipped and not yet been taken
// over, for tasks between the two wait for the CPU.
func awaitRescue() { time.Sleep(10 * time.Millisecond) }

// membarrierGlobal is MEMBARRIER_CMD_GLOBAL of <linux/membarrier.h>, synchronize_rcu().
const membarrierGlobal = 1

// awaitRunning returns when every hook that runs now is over: they run inside an RCU section.
func awaitRunning() {
	if _, _, errno := unix.Syscall(unix.SYS_MEMBARRIER, membarrierGlobal, 0, 0); errno != 0 {
		time.Sleep(100 * time.Millisecond) // refused with nohz_full CPUs; hooks take microseconds
	}
}
