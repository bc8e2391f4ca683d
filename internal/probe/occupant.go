package probe

import (
	"errors"
	"fmt"
	"os"
	"strings"

	"github.com/cilium/ebpf"
	"github.com/cilium/ebpf/link"
	"golang.org/x/sys/unix"
)

// explain puts in words why a hook is not attached. A cgroup that has programs and
// refuses one more has some that were attached without BPF_F_ALLOW_MULTI
// (__cgroup_bpf_attach).
func (h hook) explain(err error, cgroup string) error {
	if h.cgroup == ebpf.AttachNone || !errors.Is(err, unix.EPERM) || checkPrivileges(Fentry) != nil {
		return explain(err)
	}
	others, queryErr := attachedTo(cgroup, h.cgroup)
	if queryErr != nil || len(others) == 0 {
		return explain(err)
	}
	return fmt.Errorf("%s is attached to the root cgroup as %s so that no other can be beside it: stop what attached it, or have it use BPF_F_ALLOW_MULTI", strings.Join(others, ", "), h.cgroup)
}

// attachedTo names the programs that a cgroup has itself.
func attachedTo(dir string, at ebpf.AttachType) (names []string, err error) {
	cgroup, err := os.Open(dir)
	if err != nil {
		return nil, err
	}
	defer cgroup.Close()
	found, err := link.QueryPrograms(link.QueryOptions{Target: int(cgroup.Fd()), Attach: at})
	if err != nil {
		return nil, err
	}
	for _, attached := range found.Programs {
		name := "a BPF program"
		if p, err := ebpf.NewProgramFromID(attached.ID); err == nil {
			if info, err := p.Info(); err == nil && info.Name != "" {
				name = "BPF program " + info.Name
			}
			p.Close()
		}
		names = append(names, fmt.Sprintf("%s (id %d)", name, attached.ID))
	}
	return names, nil
}
