// Package confine takes from the running tracer what it does not need, for good: if
// someone makes it do what they want, that is not much.
//
// Capabilities, no_new_privs and filters of system calls belong to threads, so every
// thread gets them. They do not all get the same. One thread makes the recording's files:
// it may open files for writing, which Landlock allows it in the recording's folder only,
// and has no more privileges than that takes. All others may look into other processes and
// namespaces, which Landlock forbids altogether (hook_ptrace_access_check), and a filter
// keeps them from opening anything for writing. So no thread can be led to write to any
// other file.
package confine

import (
	"fmt"

	"golang.org/x/sys/unix"

	"porttrace/internal/privilege"
)

// Recording is what of a recording in a file has to go on.
type Recording interface {
	// OnHand runs fn on the thread that makes files.
	OnHand(fn func())
	// Folder is a path to where it makes them.
	Folder() string
	// Capabilities are those that this takes.
	Capabilities() privilege.Set
}

// Tracer confines the process, which has attached its hooks and from now on looks,
// enters namespaces and records. rec is nil where it makes no files. An error is of a
// process that is confined in part and is not to go on. landlocked is false where the
// kernel has no Landlock: then rec may make new files anywhere, and append to files of
// its own user.
func Tracer(rec Recording) (landlocked bool, err error) {
	held, err := privilege.Permitted()
	if err != nil {
		return false, fmt.Errorf("confining the tracer: %w", err)
	}
	c := &confiner{rec: rec, looking: held & looking(held), landlocked: true}
	if rec != nil {
		c.filing = held & rec.Capabilities()
	}
	for _, step := range []func() error{
		func() error { return takeForGood(held) },
		func() error { return loadFilter(forAll(), unix.SECCOMP_FILTER_FLAG_TSYNC) },
		c.confineHand,
		c.confineOthers,
		c.check,
	} {
		if err := step(); err != nil {
			return false, fmt.Errorf("confining the tracer: %w", err)
		}
	}
	return c.landlocked, nil
}

// confiner is one confinement under way.
type confiner struct {
	rec             Recording // nil: no files
	hand            int       // the thread that makes them; 0: none
	looking, filing privilege.Set
	landlocked      bool
}

// looking are the capabilities that the running tracer keeps of those it has. Without
// CAP_SYS_ADMIN, which stands for it, bpf() wants CAP_BPF for whatever it does before
// Linux 5.19.
func looking(held privilege.Set) privilege.Set {
	keep := privilege.For(privilege.Looking)
	if !held.Has(unix.CAP_SYS_ADMIN) {
		keep |= 1 << unix.CAP_BPF
	}
	return keep
}

// confineHand confines the thread that makes files beyond what all threads are.
func (c *confiner) confineHand() (err error) {
	if c.rec == nil {
		return nil
	}
	c.rec.OnHand(func() {
		c.hand = unix.Gettid()
		if c.landlocked, err = landlock(c.rec.Folder()); err != nil {
			return
		}
		if err = keepOnThread(c.filing); err != nil {
			return
		}
		err = loadFilter(forHand(), 0)
	})
	return err
}

// confineOthers does that for all other threads. The call reaches the hand, too, where its
// filter has it do nothing.
func (c *confiner) confineOthers() error {
	if err := keepOnAll(c.looking); err != nil {
		return err
	}
	return loadFilterOnAll(forLookers())
}
