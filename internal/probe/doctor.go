package probe

import (
	"errors"
	"fmt"
	"io"
	"os"
	"strings"
	"time"

	"github.com/cilium/ebpf"
	"github.com/cilium/ebpf/ringbuf"
	"golang.org/x/sys/unix"

	"porttrace/internal/cgroup"
)

// Check is one thing a doctor looked at.
type Check struct {
	Name   string
	Detail string // what was found
	Err    error  // nil: as it should be
	Advice string // what to do about Err, or what is missing without it
	Minor  bool   // tracing works in spite of Err
}

// Diagnose tries everything the stable set needs, each thing by itself: it loads and
// attaches every hook and runs every iterator, and leaves nothing behind. Works says
// whether tracing will.
func Diagnose() (checks []Check, works bool) {
	checks = append(checks, kernelCheck(), privilegesCheck(), btfCheck(), lockdownCheck(), cgroupCheck(), kallsymsCheck(), ringCheck())
	hooks, hooksWork := hookChecks()
	looks := lookChecks()
	works = hooksWork
	for _, c := range append(checks, looks...) {
		works = works && c.Err == nil
	}
	return append(append(append(checks, hooks...), looks...), tasksCheck()), works
}

func kernelCheck() Check {
	var u unix.Utsname
	if err := unix.Uname(&u); err != nil {
		return Check{Name: "kernel", Err: err}
	}
	return Check{Name: "kernel", Detail: unix.ByteSliceToString(u.Release[:]) + " " + unix.ByteSliceToString(u.Machine[:])}
}

func privilegesCheck() Check {
	c := Check{Name: "privileges", Detail: fmt.Sprintf("uid %d", os.Geteuid()), Err: checkPrivileges()}
	if c.Err == nil {
		c.Detail += ", every capability needed"
	}
	return c
}

func btfCheck() Check { return Check{Name: "BTF", Detail: btfPath, Err: checkBTF()} }

// lockdownCheck tells the lockdown mode; whether it is in the way shows in the hooks.
func lockdownCheck() Check {
	c := Check{Name: "lockdown", Detail: "not in this kernel, or securityfs is not mounted"}
	modes, err := os.ReadFile("/sys/kernel/security/lockdown")
	if err != nil {
		return c
	}
	// "none [integrity] confidentiality"
	if _, rest, ok := strings.Cut(string(modes), "["); ok {
		c.Detail, _, _ = strings.Cut(rest, "]")
	}
	if c.Detail == "confidentiality" {
		c.Err = errors.New("confidentiality mode keeps BPF from reading kernel memory")
		c.Advice = "boot with lockdown=integrity or without lockdown"
	}
	return c
}

func cgroupCheck() Check {
	path, err := cgroup.Mounted()
	if err == nil {
		return Check{Name: "cgroup v2", Detail: path}
	}
	_, done, err := cgroup.OpenRoot()
	if err != nil {
		return Check{Name: "cgroup v2", Err: err, Advice: "mount it: mount -t cgroup2 none /sys/fs/cgroup/unified"}
	}
	_ = done()
	return Check{Name: "cgroup v2", Detail: "not mounted; a private mount works"}
}

func kallsymsCheck() Check {
	return Check{Name: "kallsyms", Detail: twHandler + " found", Err: checkKallsyms()}
}

func ringCheck() Check {
	c := Check{Name: "ring buffer", Detail: "works"}
	m, err := ebpf.NewMap(&ebpf.MapSpec{Type: ebpf.RingBuf, MaxEntries: 4096})
	if err != nil {
		c.Err = explain(err)
		return c
	}
	defer m.Close()
	r, err := ringbuf.NewReader(m)
	if err != nil {
		c.Err = explain(err)
		return c
	}
	_ = r.Close()
	return c
}

func hookChecks() (checks []Check, works bool) {
	root, done, err := cgroup.OpenRoot()
	if err != nil {
		return nil, false // said by cgroupCheck
	}
	defer done()
	works = true
	for _, h := range stableHooks {
		c := Check{Name: "hook " + h.program, Detail: h.what}
		if err := tryHook(h, root); err != nil {
			c.Err = explain(err)
			c.Advice = "without it is not seen: " + h.what
			works = works && h.optional
		}
		checks = append(checks, c)
	}
	return checks, works
}

func tryHook(h hook, root string) error {
	coll, err := loadOnly(h.program)
	if err != nil {
		return err
	}
	defer coll.Close()
	l, err := h.attach(coll.Programs[h.program], root)
	if err != nil {
		return err
	}
	return l.Close()
}

func loadOnly(program string) (*ebpf.Collection, error) {
	spec, err := loadBpf()
	if err != nil {
		return nil, err
	}
	for name := range spec.Programs {
		if name != program {
			delete(spec.Programs, name)
		}
	}
	spec.Maps["events"].MaxEntries = uint32(os.Getpagesize())
	return ebpf.NewCollection(spec)
}

func lookChecks() []Check {
	var checks []Check
	for _, it := range iterators {
		c := Check{Name: "iterator " + it.program, Detail: "what is held now"}
		if err := tryLook(it); err != nil {
			c.Err = explain(err)
			c.Advice = it.without
		}
		checks = append(checks, c)
	}
	return checks
}

func tryLook(it iterator) error {
	coll, err := loadOnly(it.program)
	if err != nil {
		return err
	}
	defer coll.Close()
	out, err := it.open(coll.Programs[it.program], coll.Maps[it.over], nil)
	if err != nil {
		return err
	}
	defer out.Close()
	_, err = io.Copy(io.Discard, out)
	if errors.Is(err, unix.EAGAIN) {
		return nil
	}
	return err
}

// tasksCheck watches the scheduler for a moment. Tasks that hide keep nobody from tracing.
func tasksCheck() Check {
	c := Check{Name: "tasks", Detail: "none seen that the kernel hides from tracing"}
	w, err := WatchTasks()
	if err != nil {
		c.Err, c.Advice = err, "what a kernel hides from the hooks would be blamed on porttrace"
		return c
	}
	defer w.Close()
	time.Sleep(time.Second)
	hidden, err := w.Hidden()
	if err == nil && len(hidden) > 0 {
		err = fmt.Errorf("this kernel hides what happens while %s runs", Names(hidden))
		c.Advice, c.Minor = "a few events may be missed there; audits find them and put them right", true
	}
	c.Err = err
	return c
}

// explain puts the kernel's answer in words: the library's own hints guess wrong where
// a kernel refuses a kind of program (its "MEMLOCK may be too low" is a plain EPERM).
func explain(err error) error {
	var verifier *ebpf.VerifierError
	switch {
	case errors.As(err, &verifier):
		return fmt.Errorf("the kernel's verifier refuses it: %w", verifier)
	case errors.Is(err, unix.EPERM), errors.Is(err, unix.EACCES):
		if p := checkPrivileges(); p != nil {
			return p
		}
		return errors.New("the kernel refuses it to this root (EPERM): a hardened or locked-down kernel")
	case errors.Is(err, ebpf.ErrNotSupported), errors.Is(err, unix.EINVAL):
		return fmt.Errorf("this kernel does not have it: %w", err)
	}
	return err
}
