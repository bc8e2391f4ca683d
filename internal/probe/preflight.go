package probe

import (
	"errors"
	"fmt"
	"os"
	"runtime"

	"golang.org/x/sys/unix"

	"porttrace/internal/privilege"
)

// btfPath is where the kernel shows its own types; CO-RE needs them.
const btfPath = "/sys/kernel/btf/vmlinux"

// Preflight says in one sentence what keeps a set of hooks from working here, and what to
// do, before anything is attached. Nil: nothing that can be known beforehand.
func Preflight(set Set) error {
	checks := []func() error{checkSystem, func() error { return checkPrivileges(set) }, checkBTF}
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

// checkStable says what the stable set lacks that it does not work without.
func checkStable() error {
	if err := checkPrivileges(Stable); err != nil {
		return err
	}
	return checkAge()
}

// checkAge tells kernels that are too old for the stable set: it needs socket cookies
// (5.12) and locks (bpf_tracing_func_proto, 5.15) in tracing programs. Of the long-term
// kernels the first tells it.
func checkAge() error {
	if cookies, err := hasCookies(); err != nil || cookies {
		return err
	}
	return errors.New("the stable hook set needs Linux 5.15; the fentry one does not")
}

func checkSystem() error {
	if runtime.GOOS != "linux" {
		return fmt.Errorf("porttrace traces the Linux kernel; this is %s", runtime.GOOS)
	}
	return nil
}

// checkPrivileges says what is missing that there is no tracing without.
func checkPrivileges(set Set) error {
	held, err := privilege.Effective()
	if err != nil {
		return err
	}
	missing := held.Missing(set == Stable)
	switch {
	case len(missing) == 0:
		return checkUserNS()
	case os.Geteuid() == 0:
		return fmt.Errorf("tracing needs capabilities that this root does not have (%s): run it on the host or in a privileged container", privilege.Names(missing))
	case held == 0:
		return errors.New("tracing needs root: run it with sudo")
	}
	return fmt.Errorf("tracing needs capabilities that this program was not given (%s): run it with sudo, or give it them all: %s", privilege.Names(missing), setcap())
}

// setcap is the command that lets this program trace without root.
func setcap() string {
	file, err := os.Executable()
	if err != nil {
		file = "porttrace"
	}
	return privilege.Setcap(file, true)
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

func checkBTF() error {
	if _, err := os.Stat(btfPath); err != nil {
		return fmt.Errorf("this kernel does not show its types (%s is not there): use one built with CONFIG_DEBUG_INFO_BTF, as distributions' kernels are since 2020, and mount sysfs", btfPath)
	}
	return nil
}

func checkKallsyms() error {
	_, err := twHandlerAddress()
	return err
}
