package probe

import (
	"errors"
	"fmt"

	"github.com/cilium/ebpf/btf"

	"porttrace/internal/cgroup"
)

// askVersion1 has the hooks tell where in cgroup v1 an owner is, too, on hosts that use it.
func askVersion1(vars *bpfVariableSpecs) error {
	v, ok, err := cgroup.FindVersion1()
	if err != nil || !ok {
		return err
	}
	number, err := subsystem(v)
	if err != nil {
		return err
	}
	return errors.Join(vars.Version1.Set(v.Number), vars.Version1Subsys.Set(number))
}

// subsystem returns the kernel's number of a hierarchy's controller.
func subsystem(v cgroup.Version1) (uint32, error) {
	kernel, err := kernelTypes().Kernel()
	if err != nil {
		return 0, fmt.Errorf("reading the kernel's types: %w", err)
	}
	var all *btf.Enum
	if err := kernel.TypeByName("cgroup_subsys_id", &all); err != nil {
		return 0, fmt.Errorf("numbering cgroup v1: %w", err)
	}
	for _, value := range all.Values {
		if value.Name == v.Subsystem() {
			return uint32(value.Value), nil
		}
	}
	return 0, fmt.Errorf("numbering cgroup v1: this kernel has no %s", v.Subsystem())
}
