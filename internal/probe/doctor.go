package probe

import (
	"errors"
	"fmt"
	"io"
	"maps"
	"os"
	"strings"
	"time"

	"github.com/cilium/ebpf"
	"github.com/cilium/ebpf/ringbuf"
	"golang.org/x/sys/unix"

	"porttrace/internal/cgroup"
	"porttrace/internal/privilege"
)

// Check is one thing a doctor looked at.
type Check struct {
	Name   string
	Set    Set    // the only set that needs it; "": both do
	Detail string // what was found
	Err    error  // nil: as it should be
	Advice string // what to do about Err, or what is missing without it
	Minor  bool   // tracing works in spite of Err
}

// Diagnosis is what a doctor found.
type Diagnosis []Check

// Works says whether tracing with a set of hooks will.
func (d Diagnosis) Works(set Set) bool {
	for _, c := range d {
		if c.Err != nil && !c.Minor && (c.Set == "" || c.Set == set) {
			return false
		}
	}
	return true
}

// Diagnose tries everything that the two sets need, each thing by itself: it loads and
// attaches every hook and runs every iterator, and leaves nothing behind.
func Diagnose() Diagnosis {
	raiseMemlock()
	checks := Diagnosis{kernelCheck(), privilegesCheck(), setcapCheck(), btfCheck(), lockdownCheck(), cgroupCheck(), kallsymsCheck(), ringCheck()}
	for _, set := range []Set{Fentry, Stable} {
		checks = append(checks, hookChecks(set)...)
	}
	return append(append(checks, lookChecks()...), goneCheck(), tasksCheck())
}

func kernelCheck() Check {
	var u unix.Utsname
	if err := unix.Uname(&u); err != nil {
		return Check{Name: "kernel", Err: err}
	}
	return Check{Name: "kernel", Detail: unix.ByteSliceToString(u.Release[:]) + " " + unix.ByteSliceToString(u.Machine[:])}
}

func privilegesCheck() Check {
	c := Check{Name: "privileges", Err: checkPrivileges(Fentry)}
	held, err := privilege.Effective()
	if c.Err == nil {
		c.Err = err
	}
	if c.Err == nil {
		c.Detail = fmt.Sprintf("uid %d, every capability needed", os.Geteuid())
		if unseen := held.Unseen(); len(unseen) > 0 {
			c.Err, c.Minor = fmt.Errorf("uid %d, without %s", os.Geteuid(), privilege.Names(unseen)), true
			c.Advice = "not seen: " + privilege.Lacking(unseen)
		}
	}
	return c
}

// setcapCheck tells how to trace without root; it is no condition.
func setcapCheck() Check { return Check{Name: "without root", Detail: setcap()} }

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
		return Check{Name: "cgroup v2", Set: Stable, Detail: path}
	}
	_, done, err := cgroup.OpenRoot()
	if err != nil {
		return Check{Name: "cgroup v2", Set: Stable, Err: err, Advice: "mount it: mount -t cgroup2 none /sys/fs/cgroup/unified"}
	}
	_ = done()
	return Check{Name: "cgroup v2", Set: Stable, Detail: "not mounted; a private mount works"}
}

func kallsymsCheck() Check {
	return Check{Name: "kallsyms", Set: Stable, Detail: twHandler + " found", Err: checkKallsyms()}
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

// hookChecks tries each hook of a set. Those that are refused for the same reason, as a
// kernel does with all of a kind, are one check.
func hookChecks(set Set) []Check {
	if set == Stable {
		if err := checkStable(); err != nil {
			return []Check{{Name: "stable hooks", Set: Stable, Err: err}}
		}
	}
	root, done, err := set.cgroupRoot()
	if err != nil {
		return nil // said by cgroupCheck
	}
	defer done()
	var checks []Check
	refused := map[string]refusal{} // by what the kernel says
	for _, h := range set.hooks() {
		if h.rescues { // as the first instance, in the same place
			continue
		}
		c := Check{Name: string(set) + " " + h.program, Set: set, Detail: h.what}
		if err := tryHook(set, h, root); err != nil {
			c.Err, c.Minor = explain(err), h.optional
			c.Advice = "without it is not seen: " + h.what
			r := refused[c.Err.Error()]
			r.hooks++
			if r.hooks > 1 {
				checks[r.at].Name = fmt.Sprintf("%s, %d hooks", set, r.hooks)
				checks[r.at].Minor = checks[r.at].Minor && h.optional
				checks[r.at].Advice = ""
			} else {
				r.at = len(checks)
				checks = append(checks, c)
			}
			refused[c.Err.Error()] = r
			continue
		}
		checks = append(checks, c)
	}
	return checks
}

// refusal counts the hooks refused for one reason; at is their check's index.
type refusal struct{ hooks, at int }

func tryHook(set Set, h hook, root string) error {
	coll, err := loadOnly(set, h.program)
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

// loadOnly loads one program as a set has it, with the maps that it uses.
func loadOnly(set Set, program string) (*ebpf.Collection, error) {
	spec, err := compiled()
	if err != nil {
		return nil, err
	}
	p := &Probe{set: set, options: Options{TCP: true, UDP: true, IPv4: true, IPv6: true, BufferSize: os.Getpagesize()}}
	for _, h := range set.hooks() {
		if h.program == program {
			p.hooks = []hook{h}
		}
	}
	for name := range spec.Programs {
		if name != program {
			delete(spec.Programs, name)
		}
	}
	if err := errors.Join(p.aim(spec), p.configure(spec)); err != nil {
		return nil, err
	}
	dropUnused(spec, program)
	return newCollection(spec)
}

// dropUnused takes out the maps that a program does not use: to make all of them for each
// hook is most of a doctor's work.
func dropUnused(spec *ebpf.CollectionSpec, program string) {
	used := map[string]bool{}
	for _, i := range iterators {
		if i.program == program {
			used[i.over] = true
		}
	}
	for _, ins := range spec.Programs[program].Instructions {
		if ins.IsLoadFromMap() {
			used[ins.Reference()] = true
		}
	}
	maps.DeleteFunc(spec.Maps, func(name string, _ *ebpf.MapSpec) bool { return !used[name] })
	maps.DeleteFunc(spec.Variables, func(_ string, v *ebpf.VariableSpec) bool { return !used[v.SectionName] })
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
	coll, err := loadOnly(Fentry, it.program)
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

// goneCheck tries what only adds to what is known of owners.
func goneCheck() Check {
	c := Check{Name: "removed cgroups", Detail: "keep their paths for a while"}
	w, err := WatchCgroups()
	if err != nil {
		c.Err, c.Minor = err, true
		c.Advice = "an owner whose cgroup is removed at once has no unit and no container"
		return c
	}
	_ = w.Close()
	return c
}

// tasksCheck watches the scheduler for a moment. Tasks that hide keep nobody from tracing.
func tasksCheck() Check {
	c := Check{Name: "tasks", Detail: "none seen that the kernel hides from tracing"}
	w, err := loadTaskWatch()
	if err == nil {
		defer w.Close()
		err = w.begin()
	}
	if err != nil {
		c.Err, c.Advice = err, "what a kernel hides from the hooks would be blamed on porttrace"
		return c
	}
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
	case errors.Is(err, unix.EMFILE), errors.Is(err, unix.ENFILE):
		return fmt.Errorf("%w: raise the limit of open files (ulimit -n); porttrace needs about 130", err)
	case errors.As(err, &verifier):
		return fmt.Errorf("the kernel's verifier refuses it: %w", verifier)
	case errors.Is(err, unix.EPERM), errors.Is(err, unix.EACCES):
		if p := checkPrivileges(Fentry); p != nil {
			return p
		}
		return errors.New("the kernel refuses it, whatever the privileges (EPERM): a hardened or locked-down kernel")
	case errors.Is(err, ebpf.ErrNotSupported), errors.Is(err, unix.EINVAL):
		return fmt.Errorf("this kernel does not have it: %w", err)
	}
	return err
}
