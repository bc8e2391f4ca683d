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
	// twin is 1 + enum twin for a hook with a second instance, which comes next and
	// takes over the events that the kernel skips there (bpf/nested.h). rescues: it is
	// that one. Its own misses mean nothing: the first instance saw those.
	twin    int
	rescues bool
}

// proto says which protocols need a hook.
type proto uint8

const (
	tcp proto = 1 << iota
	udp
)

// stableHooks is the stable set in the order of attaching: what ends a hold before
// what begins one, so that no hold seen to begin can end unseen. post_bind comes
// before bind, which waits for it.
var stableHooks = []hook{
	{program: "tw_expire", what: "the end of TIME_WAIT", proto: tcp},
	{program: "tw_cancel", what: "the early end of TIME_WAIT", proto: tcp},
	{program: "tw_start", what: "the beginning of TIME_WAIT", proto: tcp},
	{program: "tcp_destroy", what: "the release of bound TCP sockets", proto: tcp, twin: 2},
	{program: "tcp_destroy_nested", what: "the same in an interrupt of that hook", proto: tcp, rescues: true},
	{program: "sock_state", what: "TCP states and releases", proto: tcp, twin: 1},
	{program: "sock_state_nested", what: "the same in an interrupt of that hook", proto: tcp, rescues: true},
	{program: "udp_close", what: "the release of UDP ports", cgroup: ebpf.AttachCgroupInetSockRelease, proto: udp},
	{program: "post_bind4", what: "the port of bind(0), IPv4", cgroup: ebpf.AttachCGroupInet4PostBind, proto: tcp | udp},
	{program: "post_bind6", what: "the port of bind(0), IPv6", cgroup: ebpf.AttachCGroupInet6PostBind, proto: tcp | udp},
	{program: "bind4", what: "bind(0) apart from explicit binds, IPv4", cgroup: ebpf.AttachCGroupInet4Bind, proto: tcp | udp},
	{program: "bind6", what: "bind(0) apart from explicit binds, IPv6", cgroup: ebpf.AttachCGroupInet6Bind, proto: tcp | udp},
	{program: "udp_send_failed", what: "UDP sends that find no port (kernels before 6.3)", proto: udp, optional: true},
	{program: "udp_send4", what: "UDP ports taken by a send, IPv4", cgroup: ebpf.AttachCGroupUDP4Sendmsg, proto: udp},
	{program: "udp_send6", what: "UDP ports taken by a send, IPv6", cgroup: ebpf.AttachCGroupUDP6Sendmsg, proto: udp},
	{program: "udp_name4", what: "UDP ports that connect() took, before anybody looks, IPv4", cgroup: ebpf.AttachCgroupInet4GetSockname, proto: udp},
	{program: "udp_name6", what: "UDP ports that connect() took, before anybody looks, IPv6", cgroup: ebpf.AttachCgroupInet6GetSockname, proto: udp},
	{program: "udp_connect4", what: "UDP ports taken by connect(), IPv4", cgroup: ebpf.AttachCGroupInet4Connect, proto: udp},
	{program: "udp_connect6", what: "UDP ports taken by connect(), IPv6", cgroup: ebpf.AttachCGroupInet6Connect, proto: udp},
	{program: "tcp_calls", what: "the port of TCP connect() and listen()", cgroup: ebpf.AttachCGroupSockOps, proto: tcp},
}

// iterator is a program that is run over all there is of something, on demand.
type iterator struct {
	program string
	over    string // the map it goes over; "": what the kernel has
	proto   proto
	without string // what is missing without it
}

// The iterators are loaded with every set, as is the clock sampler.
var (
	lookFiles = iterator{program: "look_files", proto: tcp | udp, without: "holds from before the start would be missing"}
	lookTCP   = iterator{program: "look_tcp", proto: tcp, without: "holds from before the start would be missing"}
	lookUDP   = iterator{program: "look_udp", proto: udp, without: "UDP ports that connect() took would be missing"}

	callSockets   = iterator{program: "call_sockets", over: "sockets", proto: tcp | udp, without: "losses could not be put right"}
	callTimeWaits = iterator{program: "call_time_waits", over: "time_waits", proto: tcp, without: "losses could not be put right"}
)

var iterators = []iterator{lookFiles, lookTCP, lookUDP, callSockets, callTimeWaits}

const clocks = "clocks"

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
		return nil, fmt.Errorf("attaching %s (%s): %w", h.program, h.what, explain(err))
	}
	return l, nil
}
