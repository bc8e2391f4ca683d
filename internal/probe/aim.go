package probe

import (
	"errors"
	"fmt"
	"slices"
	"sync"

	"github.com/cilium/ebpf"
	"github.com/cilium/ebpf/asm"
	"github.com/cilium/ebpf/btf"
)

// aim points the hooks that sit in kernel functions at what this kernel calls them, and
// makes sure that these are what the hooks take them for: BTF tells, not the version.
func (p *Probe) aim(spec *ebpf.CollectionSpec) error {
	if p.set != Fentry {
		return nil
	}
	kernel, err := kernelTypes().Kernel()
	if err != nil {
		return fmt.Errorf("reading the kernel's types: %w", err)
	}
	for _, h := range p.hooks {
		if program := spec.Programs[h.program]; program.AttachType != ebpf.AttachTraceRawTp {
			if err := h.aim(program, kernel); err != nil {
				return err
			}
		}
	}
	return nil
}

func (h hook) aim(program *ebpf.ProgramSpec, kernel *btf.Spec) error {
	var f *btf.Func
	err := kernel.TypeByName(program.AttachTo, &f)
	if errors.Is(err, btf.ErrNotFound) && h.before != "" {
		program.AttachTo = h.before
		err = kernel.TypeByName(program.AttachTo, &f)
	}
	if err != nil {
		return fmt.Errorf("this kernel has no %s (%s): %w", program.AttachTo, h.what, err)
	}
	proto, ok := f.Type.(*btf.FuncProto)
	if !ok || h.arguments != 0 && len(proto.Params) != h.arguments {
		return fmt.Errorf("this kernel has a %s with other arguments (%s)", program.AttachTo, h.what)
	}
	return nil
}

// dropAbsent takes the optional hooks out that this kernel has no tracepoint for: BTF has
// a type for each that it has.
func (p *Probe) dropAbsent(spec *ebpf.CollectionSpec) error {
	kernel, err := kernelTypes().Kernel()
	if err != nil {
		return fmt.Errorf("reading the kernel's types: %w", err)
	}
	p.hooks = slices.DeleteFunc(p.hooks, func(h hook) bool {
		if !h.optional || hasTracepoint(kernel, spec.Programs[h.program].AttachTo) {
			return false
		}
		if !h.rescues {
			p.missing = append(p.missing, h.what)
		}
		delete(spec.Programs, h.program)
		return true
	})
	return nil
}

func hasTracepoint(kernel *btf.Spec, name string) bool {
	var of *btf.Typedef
	return !errors.Is(kernel.TypeByName("btf_trace_"+name, &of), btf.ErrNotFound)
}

// hasCookies says whether tracing programs may ask for socket cookies (5.12).
var hasCookies = sync.OnceValues(tryCookies)

func tryCookies() (bool, error) {
	if err := checkPrivileges(Fentry); err != nil {
		return false, err
	}
	program, err := ebpf.NewProgram(&ebpf.ProgramSpec{
		Type: ebpf.Tracing, AttachType: ebpf.AttachTraceRawTp, AttachTo: "inet_sock_set_state",
		License: "Dual MIT/GPL",
		Instructions: asm.Instructions{
			asm.LoadMem(asm.R1, asm.R1, 0, asm.DWord), // the socket
			asm.FnGetSocketCookie.Call(),
			asm.Mov.Imm(asm.R0, 0),
			asm.Return(),
		},
	})
	var refused *ebpf.VerifierError
	switch {
	case err == nil:
		return true, program.Close()
	case errors.As(err, &refused):
		return false, nil
	}
	return false, fmt.Errorf("trying socket cookies: %w", explain(err))
}
