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

// callMarks is the map of calls that first instances had, of the fentry set.
const callMarks = "calls"

// counts are what the instances of twins have counted.
type counts struct{ missed, rescued perTwin }

// pair lets the second instances of hooks work (bpf/nested.h), now that each event meets
// both. Those of the fentry set need no leave, but one that was attached alone has taken
// over what nobody missed. What was under way when the last hook was attached is over then,
// too: a mini-socket that nobody has claimed never will be (look_tw).
func (p *Probe) pair() (err error) {
	if p.set == Fentry {
		awaitRunning()
		if p.before.missed, err = p.missed(); err == nil {
			p.before.rescued, err = p.rescued()
		}
		return err
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

// awaitRescue waits for second instances: a run may have been skipped and not yet been taken
// over. False: that was long enough.
func (p *Probe) awaitRescue(try int) bool {
	if p.set == Stable {
		awaitRunning()
		return try == 0
	}
	time.Sleep(10 * time.Millisecond) // tasks between the two may wait for the CPU
	return try < 10
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
