package budget

import (
	"time"

	"golang.org/x/sys/unix"
)

// Used is the CPU time that this process has taken, all its threads, in user mode and in
// the kernel. What the hooks take is not in it: they run on the time of whoever they trace.
func Used() time.Duration {
	var ts unix.Timespec
	if err := unix.ClockGettime(unix.CLOCK_PROCESS_CPUTIME_ID, &ts); err != nil {
		panic("budget: CLOCK_PROCESS_CPUTIME_ID is not there: " + err.Error())
	}
	return time.Duration(ts.Nano())
}
