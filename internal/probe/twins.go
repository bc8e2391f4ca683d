package probe

import (
	"fmt"
	"time"

	"golang.org/x/sys/unix"

	"porttrace/internal/ktime"
)

// Of enum twins.
const (
	twinsMark     = 1
	twinsTogether = 2
)

// pair lets the second instances of hooks work (bpf/nested.h), now that each event meets
// both. Those of the fentry set need no leave. What was under way when the last hook was
// attached is over then, too: a mini-socket that nobody has claimed never will be (look_tw).
func (p *Probe) pair() error {
	if p.set != Stable {
		return nil
	}
	if err := p.coll.Variables["attached"].Set(uint64(ktime.Now())); err != nil {
		return fmt.Errorf("pairing the hooks: %w", err)
	}
	for _, step := range []uint32{twinsMark, twinsTogether} {
		awaitRunning()
		if err := p.coll.Variables["twins"].Set(step); err != nil {
			return fmt.Errorf("pairing the hooks: %w", err)
		}
	}
	return nil
}

// membarrierGlobal is MEMBARRIER_CMD_GLOBAL of <linux/membarrier.h>, synchronize_rcu().
const membarrierGlobal = 1

// awaitRunning returns when every hook that runs now is over: tracepoints run with
// preemption off.
func awaitRunning() {
	if _, _, errno := unix.Syscall(unix.SYS_MEMBARRIER, membarrierGlobal, 0, 0); errno != 0 {
		time.Sleep(100 * time.Millisecond) // refused with nohz_full CPUs; hooks take microseconds
	}
}
