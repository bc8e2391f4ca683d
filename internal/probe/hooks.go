package probe

import (
	"fmt"

	"github.com/cilium/ebpf"
	"github.com/cilium/ebpf/link"
)

// hook is one program of bpf/porttrace.bpf.c and where it goes.
type hook struct {
	program string
	what    string // what is lost without it
	cgroup  ebpf.AttachType
	proto   proto // attached only if one of these is traced
	// optional hooks may be missing on a kernel; what they add is then missing too
	optional bool
	// twin is set for a hook with a second instance, which stands beside it and takes over
	// the events that the kernel skips there (bpf/calls.h). rescues: it is that
	// one. Its own misses mean nothing: what both are skipped for the first has missed, too.
	twin    bool
	rescues bool
	// tracepoint: of a hook with a second instance that sits on one, not in a function.
	tracepoint bool
	// before is what the kernel function was called earlier, with the same arguments as
	// far as the hook reads them.
	before string
	// arguments is how many the function takes, for a hook that reads what it returns:
	// that lies behind them.
	arguments int
}

// proto says which protocols need a hook.
type proto uint8

const (
	tcp proto = 1 << iota
	udp
)

func (h hook) isWanted(p proto) bool { return h.proto&p != 0 }

// attach hooks the program up. Cgroup hooks go to the root of the cgroup v2 hierarchy,
// beside other programs there (links are always multi).
func (h hook) attach(p *ebpf.Program, cgroup string) (link.Link, error) {
	var (
		l   link.Link
		err error
	)
	if h.cgroup != ebpf.AttachNone {
		l, err = link.AttachCgroup(link.CgroupOptions{Path: cgroup, Attach: h.cgroup, Program: p})
	} else {
		l, err = link.AttachTracing(link.TracingOptions{Program: p})
	}
	if err != nil {
		return nil, fmt.Errorf("attaching %s (%s): %w", h.program, h.what, h.explain(err, cgroup))
	}
	return l, nil
}
