package confine

import (
	"errors"
	"fmt"
	"os"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"

	"porttrace/internal/privilege"
)

// check reads back what every thread is left with: whatever went wrong would show
// nowhere else.
func (c *confiner) check() error {
	threads, err := os.ReadDir("/proc/self/task")
	if err != nil {
		return fmt.Errorf("reading back what is left: %w", err)
	}
	for _, t := range threads {
		status, err := os.ReadFile("/proc/self/task/" + t.Name() + "/status")
		if errors.Is(err, os.ErrNotExist) || errors.Is(err, unix.ESRCH) {
			continue // it has ended
		}
		if err != nil {
			return fmt.Errorf("reading back what is left: %w", err)
		}
		want := c.looking
		if t.Name() == strconv.Itoa(c.hand) {
			want = c.filing
		}
		if err := compare(string(status), want); err != nil {
			return fmt.Errorf("thread %s: %w", t.Name(), err)
		}
	}
	return nil
}

// compare says what in a thread's /proc status is not as it should be.
func compare(status string, capabilities privilege.Set) error {
	want := map[string]uint64{
		"CapInh": 0, "CapPrm": uint64(capabilities), "CapEff": uint64(capabilities), "CapAmb": 0,
		"NoNewPrivs": 1, "Seccomp": 2, // SECCOMP_MODE_FILTER
	}
	for line := range strings.Lines(status) {
		name, value, _ := strings.Cut(line, ":")
		wanted, ok := want[name]
		if !ok {
			continue
		}
		delete(want, name)
		if got, err := strconv.ParseUint(strings.TrimSpace(value), 16, 64); err != nil || got != wanted {
			return fmt.Errorf("%s is %s and not %x", name, strings.TrimSpace(value), wanted)
		}
	}
	if len(want) > 0 {
		return fmt.Errorf("its status lacks %d lines", len(want))
	}
	return nil
}
