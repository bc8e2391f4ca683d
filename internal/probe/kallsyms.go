package probe

import (
	"bufio"
	"fmt"
	"io"
	"os"
	"strconv"
	"strings"
	"sync"
)

// twHandler is the timer function of time-wait mini-sockets
// (net/ipv4/inet_timewait_sock.c); its address tells their timers from all others.
const twHandler = "tw_timer_handler"

// twHandlerAddress is its address, which does not change: the list is long.
var twHandlerAddress = sync.OnceValues(func() (uint64, error) { return symbolAddress(twHandler) })

// symbolAddress looks a kernel function up in /proc/kallsyms. The kernel shows zeros
// to readers it does not trust (kernel.kptr_restrict).
func symbolAddress(name string) (uint64, error) {
	f, err := os.Open("/proc/kallsyms")
	if err != nil {
		return 0, fmt.Errorf("looking up %s: %w", name, err)
	}
	defer f.Close()
	addr, err := findSymbol(f, name)
	if err != nil {
		return 0, fmt.Errorf("looking up %s in /proc/kallsyms: %w", name, err)
	}
	return addr, nil
}

func findSymbol(r io.Reader, name string) (uint64, error) {
	lines := bufio.NewScanner(r)
	for lines.Scan() {
		fields := strings.Fields(lines.Text())
		if len(fields) < 3 || fields[2] != name {
			continue
		}
		addr, err := strconv.ParseUint(fields[0], 16, 64)
		if err != nil {
			return 0, fmt.Errorf("address %q: %w", fields[0], err)
		}
		if addr == 0 {
			return 0, fmt.Errorf("addresses are hidden; set kernel.kptr_restrict to 0 or 1 and run as root or with CAP_SYSLOG")
		}
		return addr, nil
	}
	if err := lines.Err(); err != nil {
		return 0, err
	}
	return 0, fmt.Errorf("not there; this kernel may have inlined or renamed it")
}
