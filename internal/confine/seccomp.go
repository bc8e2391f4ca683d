package confine

import (
	"errors"
	"fmt"
	"runtime"
	"unsafe"

	seccomp "github.com/elastic/go-seccomp-bpf"
	"github.com/elastic/go-seccomp-bpf/arch"
	"golang.org/x/net/bpf"
	"golang.org/x/sys/unix"
	"kernel.org/pub/linux/libs/security/libcap/psx"
)

// Offsets in struct seccomp_data.
const (
	offsetOfNumber = 0
	offsetOfArch   = 4
)

// loadFilter puts a filter on the calling thread, with SECCOMP_FILTER_FLAG_TSYNC on all.
func loadFilter(of rules, flags uintptr) error {
	program, err := assemble(of)
	if err != nil {
		return err
	}
	// A thread that cannot follow is told by its id, which is no error number.
	refused, _, errno := unix.Syscall(unix.SYS_SECCOMP, unix.SECCOMP_SET_MODE_FILTER, flags, uintptr(unsafe.Pointer(program)))
	runtime.KeepAlive(program)
	if errno == 0 && refused != 0 {
		return fmt.Errorf("filtering system calls: thread %d has a filter of its own", refused)
	}
	return filtered(errno)
}

// loadFilterOnAll puts a filter on each thread by itself.
func loadFilterOnAll(of rules) error {
	program, err := assemble(of)
	if err != nil {
		return err
	}
	_, _, errno := psx.Syscall3(unix.SYS_SECCOMP, unix.SECCOMP_SET_MODE_FILTER, 0, uintptr(unsafe.Pointer(program)))
	runtime.KeepAlive(program)
	return filtered(errno)
}

func filtered(errno unix.Errno) error {
	switch errno {
	case 0:
		return nil
	case unix.ENOSYS, unix.EINVAL:
		return fmt.Errorf("filtering system calls: %w: use a kernel with CONFIG_SECCOMP_FILTER, as distributions' are", errno)
	}
	return fmt.Errorf("filtering system calls: %w", errno)
}

// assemble makes a program of rules. The library lets calls of other architectures
// through where others are allowed, and does not know of calls that are younger than it:
// neither gets that far.
func assemble(of rules) (*unix.SockFprog, error) {
	machine, err := arch.GetInfo("")
	if err != nil {
		return nil, fmt.Errorf("filtering system calls: %w", err)
	}
	policy := seccomp.Policy{DefaultAction: seccomp.ActionAllow, Syscalls: known(of.refused, machine)}
	body, err := policy.Assemble()
	if err != nil {
		return nil, fmt.Errorf("filtering system calls: %w", err)
	}
	head := []bpf.Instruction{
		bpf.LoadAbsolute{Off: offsetOfArch, Size: 4},
		bpf.JumpIf{Cond: bpf.JumpEqual, Val: uint32(machine.ID), SkipTrue: 1},
		bpf.RetConstant{Val: answer(unix.EPERM)},
		bpf.LoadAbsolute{Off: offsetOfNumber, Size: 4},
		bpf.JumpIf{Cond: bpf.JumpLessOrEqual, Val: newest(machine), SkipTrue: 1},
		bpf.RetConstant{Val: answer(unix.ENOSYS)},
	}
	for _, name := range of.ignored { // the library has no error 0
		head = append(head,
			bpf.JumpIf{Cond: bpf.JumpEqual, Val: uint32(machine.SyscallNames[name]), SkipFalse: 1},
			bpf.RetConstant{Val: answer(0)})
	}
	raw, err := bpf.Assemble(append(head, body...))
	if err != nil {
		return nil, fmt.Errorf("filtering system calls: %w", err)
	}
	if len(raw) == 0 || len(raw) > unix.BPF_MAXINSNS {
		return nil, errors.New("filtering system calls: the filter is too long")
	}
	filter := make([]unix.SockFilter, len(raw))
	for i, r := range raw {
		filter[i] = unix.SockFilter{Code: r.Op, Jt: r.Jt, Jf: r.Jf, K: r.K}
	}
	return &unix.SockFprog{Len: uint16(len(filter)), Filter: &filter[0]}, nil
}

// answer has a call fail with an error, or for 0 succeed, without doing anything.
func answer(errno unix.Errno) uint32 { return unix.SECCOMP_RET_ERRNO | uint32(errno) }

func newest(machine *arch.Info) uint32 {
	last := 0
	for number := range machine.SyscallNumbers {
		last = max(last, number)
	}
	return uint32(last)
}

// known leaves out the calls that an architecture does not have, as arm64 has no open().
func known(groups []seccomp.SyscallGroup, machine *arch.Info) []seccomp.SyscallGroup {
	kept := make([]seccomp.SyscallGroup, 0, len(groups))
	for _, g := range groups {
		of := seccomp.SyscallGroup{Action: g.Action}
		for _, name := range g.Names {
			if _, ok := machine.SyscallNames[name]; ok {
				of.Names = append(of.Names, name)
			}
		}
		for _, call := range g.NamesWithCondtions {
			if _, ok := machine.SyscallNames[call.Name]; ok {
				of.NamesWithCondtions = append(of.NamesWithCondtions, call)
			}
		}
		kept = append(kept, of)
	}
	return kept
}
