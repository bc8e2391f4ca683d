package probe

import (
	"fmt"
	"time"

	"golang.org/x/sys/unix"

	"porttrace/internal/ktime"
)

// counts are what hooks that are attached twice have counted (bpf/calls.h), and those that are not.
type counts struct {
	missed  misses
	rescued uint64 // by second instances
}

// misses are runs that the kernel has skipped: of hooks with a second instance, whose own
// ones do not count, and of those without.
type misses struct{ twins, alone uint64 }

func (p *Probe) missed() (m misses, err error) {
	for _, h := range p.hooks {
		if h.rescues {
			continue
		}
		stats, err := p.coll.Programs[h.program].Stats()
		if err != nil {
			return misses{}, fmt.Errorf("reading statistics of %s: %w", h.program, err)
		}
		if h.twin {
			m.twins += stats.RecursionMisses
		} else {
			m.alone += stats.RecursionMisses
		}
	}
	return m, nil
}

func (p *Probe) rescued() (n uint64, err error) {
	if err := p.coll.Variables["rescued"].Get(&n); err != nil {
		return 0, fmt.Errorf("reading losses: %w", err)
	}
	return n, nil
}

// unrescued is how many of the runs missed so far were not taken over, by now: more may have
// been missed since.
func (p *Probe) unrescued(m misses) (lost uint64, err error) {
	rescued, err := p.rescued()
	if err != nil {
		return 0, err
	}
	missed, taken := m.twins-p.before.missed.twins, rescued-p.before.rescued
	return m.alone - p.before.missed.alone + missed - min(missed, taken), nil
}

// settle is called when every hook is attached, and counts from here on: a second instance
// that was attached alone has taken over what nobody missed. What was under way when the
// last hook was attached is over then, too: a mini-socket that nobody has claimed never will
// be (look_tw).
func (p *Probe) settle() (err error) {
	if err := p.coll.Variables["attached"].Set(uint64(ktime.Now())); err != nil {
		return fmt.Errorf("telling the hooks that all are attached: %w", err)
	}
	awaitRunning()
	if p.before.missed, err = p.missed(); err == nil {
		p.before.rescued, err = p.rescued()
	}
	return err
}

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
