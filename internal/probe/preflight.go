package probe

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"os"
	"runtime"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"
)

// btfPath is where the kernel shows its own types; CO-RE needs them.
const btfPath = "/sys/kernel/btf/vmlinux"

// Preflight says in one sentence what keeps a set of hooks from working here, and what to
// do, before anything is attached. Nil: nothing that can be known beforehand.
func Preflight(set Set) error {
	checks := []func() error{checkSystem, checkPrivileges, checkBTF}
	if set == Stable {
		checks = append(checks, checkAge)
	}
	for _, check := range checks {
		if err := check(); err != nil {
			return err
		}
	}
	return nil
}

// checkAge tells kernels that are too old for the stable set: it needs socket cookies
// (5.12) and locks (bpf_tracing_func_proto, 5.15) in tracing programs. Of the long-term
// kernels the first tells it.
func checkAge() error {
	if cookies, err := hasCookies(); err != nil || cookies {
		return err
	}
	return errors.New("the stable hook set needs Linux 5.15: take --hooks fentry or auto")
}

func checkSystem() error {
	if runtime.GOOS != "linux" {
		return fmt.Errorf("porttrace traces the Linux kernel; this is %s", runtime.GOOS)
	}
	return nil
}

// needed are the capabilities that loading and attaching asks for (kernel/bpf/syscall.c).
var needed = []struct {
	bit  uint
	name string
}{
	{unix.CAP_BPF, "CAP_BPF"},
	{unix.CAP_PERFMON, "CAP_PERFMON"},
	{unix.CAP_NET_ADMIN, "CAP_NET_ADMIN"},
	{unix.CAP_SYS_ADMIN, "CAP_SYS_ADMIN"},   // to enter namespaces
	{unix.CAP_SYS_PTRACE, "CAP_SYS_PTRACE"}, // to see other processes' namespaces
}

func checkPrivileges() error {
	effective, err := effectiveCapabilities()
	if err != nil {
		return err
	}
	var missing []string
	for _, c := range needed {
		if effective&(1<<c.bit) == 0 {
			missing = append(missing, c.name)
		}
	}
	switch {
	case len(missing) == 0:
		return checkUserNS()
	case os.Geteuid() != 0:
		return errors.New("tracing needs root: run it with sudo")
	default:
		return fmt.Errorf("tracing needs capabilities that this root does not have (%s): run it on the host or in a privileged container", strings.Join(missing, ", "))
	}
}

// hostUserNS is the first user namespace's inode (PROC_USER_INIT_INO).
const hostUserNS = 0xeffffffd

// checkUserNS says whose root we are: in a user namespace of its own it has every
// capability, and none that BPF asks for.
func checkUserNS() error {
	var own unix.Stat_t
	if err := unix.Stat("/proc/self/ns/user", &own); err != nil || own.Ino == hostUserNS {
		return nil // without CONFIG_USER_NS there is one
	}
	return errors.New("tracing needs the host's root, and this one is that of a user namespace: run it outside, not in a rootless container")
}

func effectiveCapabilities() (uint64, error) {
	f, err := os.Open("/proc/self/status")
	if err != nil {
		return 0, fmt.Errorf("reading our capabilities: %w", err)
	}
	defer f.Close()
	return parseCapabilities(f)
}

// parseCapabilities reads the CapEff line of /proc/PID/status.
func parseCapabilities(status io.Reader) (uint64, error) {
	lines := bufio.NewScanner(status)
	for lines.Scan() {
		if value, ok := strings.CutPrefix(lines.Text(), "CapEff:"); ok {
			set, err := strconv.ParseUint(strings.TrimSpace(value), 16, 64)
			if err != nil {
				return 0, fmt.Errorf("reading our capabilities: CapEff: %w", err)
			}
			return set, nil
		}
	}
	if err := lines.Err(); err != nil {
		return 0, fmt.Errorf("reading our capabilities: %w", err)
	}
	return 0, errors.New("reading our capabilities: /proc/self/status has no CapEff")
}

func checkBTF() error {
	if _, err := os.Stat(btfPath); err != nil {
		return fmt.Errorf("this kernel does not show its types (%s is not there): use one built with CONFIG_DEBUG_INFO_BTF, as distributions' kernels are since 2020, and mount sysfs", btfPath)
	}
	return nil
}

func checkKallsyms() error {
	_, err := symbolAddress(twHandler)
	return err
}
