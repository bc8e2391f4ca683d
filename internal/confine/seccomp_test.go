package confine

import (
	"encoding/binary"
	"testing"
	"unsafe"

	"github.com/elastic/go-seccomp-bpf/arch"
	"golang.org/x/net/bpf"
	"golang.org/x/sys/unix"
)

// A call that no architecture has is a mistake: it would be let through.
func TestEveryNameIsACall(t *testing.T) {
	for _, of := range []rules{forAll(), forLookers(), forHand()} {
		names := of.ignored
		for _, g := range of.refused {
			names = append(names, g.Names...)
			for _, call := range g.NamesWithCondtions {
				names = append(names, call.Name)
			}
		}
		for _, name := range names {
			_, amd64 := arch.X86_64.SyscallNames[name]
			_, arm64 := arch.AARCH64.SyscallNames[name]
			if !amd64 && !arm64 {
				t.Errorf("%s is no call", name)
			}
		}
	}
}

// judged runs the filter as the kernel does on a call.
func judged(t *testing.T, of rules, machine, number uint32, args ...uint64) uint32 {
	t.Helper()
	program, err := assemble(of)
	if err != nil {
		t.Fatal(err)
	}
	var raw []bpf.Instruction
	for _, f := range unsafe.Slice(program.Filter, program.Len) {
		raw = append(raw, bpf.RawInstruction{Op: f.Code, Jt: f.Jt, Jf: f.Jf, K: f.K}.Disassemble())
	}
	vm, err := bpf.NewVM(raw)
	if err != nil {
		t.Fatal(err)
	}
	// struct seccomp_data, whose words the simulation reads as of the network: number,
	// architecture, instruction pointer, and arguments, the lower half first
	data := make([]byte, 64)
	binary.BigEndian.PutUint32(data[0:], number)
	binary.BigEndian.PutUint32(data[4:], machine)
	for i, a := range args {
		binary.BigEndian.PutUint32(data[16+8*i:], uint32(a))
		binary.BigEndian.PutUint32(data[20+8*i:], uint32(a>>32))
	}
	verdict, err := vm.Run(data)
	if err != nil {
		t.Fatal(err)
	}
	return uint32(verdict)
}

// No way round leads through another architecture's numbers, those of the future, or the
// upper halves of arguments of which the kernel takes the lower.
func TestWaysRound(t *testing.T) {
	machine, err := arch.GetInfo("")
	if err != nil {
		t.Fatal(err)
	}
	own := uint32(machine.ID)
	number := func(name string) uint32 { return uint32(machine.SyscallNames[name]) }
	refused, unknown := answer(unix.EPERM), answer(unix.ENOSYS)
	const upper = 1 << 32
	for name, tc := range map[string]struct {
		machine, number uint32
		args            []uint64
		want            uint32
	}{
		"read":                     {own, number("read"), nil, unix.SECCOMP_RET_ALLOW},
		"execve":                   {own, number("execve"), nil, refused},
		"execve of i386":           {uint32(arch.I386.ID), 11, nil, refused},
		"execve of ARM":            {uint32(arch.ARM.ID), 11, nil, refused},
		"execve of x32":            {own, 0x40000000 + 520, nil, unknown},
		"what is yet to come":      {own, newest(machine) + 1, nil, unknown},
		"clone3":                   {own, number("clone3"), nil, unknown},
		"a thread":                 {own, number("clone"), []uint64{unix.CLONE_THREAD | unix.CLONE_VM}, unix.SECCOMP_RET_ALLOW},
		"a process":                {own, number("clone"), []uint64{unix.CLONE_VM}, refused},
		"a socket to bind":         {own, number("socket"), []uint64{unix.AF_INET6, unix.SOCK_STREAM | unix.SOCK_CLOEXEC}, unix.SECCOMP_RET_ALLOW},
		"AF_UNIX":                  {own, number("socket"), []uint64{unix.AF_UNIX, unix.SOCK_STREAM | unix.SOCK_CLOEXEC}, refused},
		"AF_UNIX, upper half set":  {own, number("socket"), []uint64{upper + unix.AF_UNIX, unix.SOCK_STREAM | unix.SOCK_CLOEXEC}, refused},
		"MPTCP":                    {own, number("socket"), []uint64{unix.AF_INET, unix.SOCK_STREAM | unix.SOCK_CLOEXEC, unix.IPPROTO_MPTCP}, refused},
		"setns of a network":       {own, number("setns"), []uint64{3, unix.CLONE_NEWNET}, unix.SECCOMP_RET_ALLOW},
		"setns of any":             {own, number("setns"), []uint64{3, 0}, refused},
		"setns, upper half set":    {own, number("setns"), []uint64{3, upper}, refused},
		"a map's entry":            {own, number("bpf"), []uint64{unix.BPF_MAP_LOOKUP_ELEM}, unix.SECCOMP_RET_ALLOW},
		"a program":                {own, number("bpf"), []uint64{unix.BPF_PROG_LOAD}, refused},
		"a program, upper half":    {own, number("bpf"), []uint64{upper + unix.BPF_PROG_LOAD}, refused},
		"TIOCSTI":                  {own, number("ioctl"), []uint64{0, unix.TIOCSTI}, refused},
		"TIOCSTI, upper half":      {own, number("ioctl"), []uint64{0, upper + unix.TIOCSTI}, refused},
		"reading":                  {own, number("openat"), []uint64{0, 0, unix.O_RDONLY | unix.O_CLOEXEC}, unix.SECCOMP_RET_ALLOW},
		"a part":                   {own, number("openat"), []uint64{0, 0, unix.O_WRONLY | unix.O_APPEND | unix.O_CREAT | unix.O_EXCL | unix.O_NOFOLLOW}, unix.SECCOMP_RET_ALLOW},
		"writing":                  {own, number("openat"), []uint64{0, 0, unix.O_WRONLY}, refused},
		"writing, upper half":      {own, number("openat"), []uint64{0, 0, upper + unix.O_WRONLY}, refused},
		"appending through a link": {own, number("openat"), []uint64{0, 0, unix.O_WRONLY | unix.O_APPEND}, refused},
		"overwriting":              {own, number("openat"), []uint64{0, 0, unix.O_WRONLY | unix.O_APPEND | unix.O_NOFOLLOW | unix.O_CREAT}, refused},
	} {
		if got := judged(t, forAll(), tc.machine, tc.number, tc.args...); got != tc.want {
			t.Errorf("%s: %#x, want %#x", name, got, tc.want)
		}
	}
	if got := judged(t, forHand(), own, number("capset")); got != answer(0) {
		t.Errorf("capset on the thread that makes files: %#x, want success", got)
	}
	write := []uint64{0, 0, unix.O_WRONLY | unix.O_APPEND | unix.O_CREAT | unix.O_EXCL | unix.O_NOFOLLOW}
	if got := judged(t, forLookers(), own, number("openat"), write...); got != refused {
		t.Errorf("making a part on other threads: %#x, want refusal", got)
	}
}
