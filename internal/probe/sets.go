package probe

import (
	"slices"

	"github.com/cilium/ebpf"

	"porttrace/internal/cgroup"
)

// Set names a set of hooks, as --hooks and recordings do.
type Set string

// The sets. Both tell the same of TCP; what the stable one leaves to looks, mostly of UDP,
// the README lists.
const (
	// Auto is fentry where all that it needs works, else stable.
	Auto Set = "auto"
	// Fentry sits in the kernel's own functions for ports. It is exact and costs nothing
	// elsewhere, and hardened or locked-down kernels refuse it.
	Fentry Set = "fentry"
	// Stable makes do with what those allow: tracepoints, cgroup hooks and sockops.
	Stable Set = "stable"
)

// hooks returns a set's hooks in the order of attaching: what ends a hold before what
// begins one, so that no hold seen to begin can end unseen.
func (s Set) hooks() []hook {
	if s == Fentry {
		return fentryHooks
	}
	return stableHooks
}

// cgroupRoot is where the cgroup hooks of a set go; done is to be called after that.
func (s Set) cgroupRoot() (path string, done func() error, err error) {
	if s == Fentry { // it has none
		return "", func() error { return nil }, nil
	}
	return cgroup.OpenRoot()
}

// In the stable set post_bind comes before bind, which waits for it. The kernel never skips
// cgroup hooks, nor those of timers, which run with interrupts off or in a softirq.
var stableHooks = slices.Concat([]hook{
	{program: "tw_expire", what: "the end of TIME_WAIT", proto: tcp},
	{program: "tw_cancel", what: "the early end of TIME_WAIT", proto: tcp},
	{program: "tw_start", what: "the beginning of TIME_WAIT", proto: tcp},
}, twice([]hook{
	{program: "tcp_destroy", what: "the release of bound TCP sockets", proto: tcp, tracepoint: true},
	{program: "sock_state", what: "TCP states and releases", proto: tcp, tracepoint: true},
}), []hook{
	{program: "udp_close", what: "the release of UDP ports", cgroup: ebpf.AttachCgroupInetSockRelease, proto: udp},
	{program: "post_bind4", what: "the port of bind(0), IPv4", cgroup: ebpf.AttachCGroupInet4PostBind, proto: tcp | udp},
	{program: "post_bind6", what: "the port of bind(0), IPv6", cgroup: ebpf.AttachCGroupInet6PostBind, proto: tcp | udp},
	{program: "bind4", what: "bind(0) apart from explicit binds, IPv4", cgroup: ebpf.AttachCGroupInet4Bind, proto: tcp | udp},
	{program: "bind6", what: "bind(0) apart from explicit binds, IPv6", cgroup: ebpf.AttachCGroupInet6Bind, proto: tcp | udp},
}, twice([]hook{
	{program: "udp_send_failed", what: "UDP sends that find no port (Linux 6.3 shows them)", proto: udp, tracepoint: true, optional: true},
}), []hook{
	{program: "udp_send4", what: "UDP ports taken by a send, IPv4", cgroup: ebpf.AttachCGroupUDP4Sendmsg, proto: udp},
	{program: "udp_send6", what: "UDP ports taken by a send, IPv6", cgroup: ebpf.AttachCGroupUDP6Sendmsg, proto: udp},
	{program: "udp_name4", what: "UDP ports that connect() took, before anybody looks, IPv4", cgroup: ebpf.AttachCgroupInet4GetSockname, proto: udp},
	{program: "udp_name6", what: "UDP ports that connect() took, before anybody looks, IPv6", cgroup: ebpf.AttachCgroupInet6GetSockname, proto: udp},
	{program: "udp_connect4", what: "UDP ports taken by connect(), IPv4", cgroup: ebpf.AttachCGroupInet4Connect, proto: udp},
	{program: "udp_connect6", what: "UDP ports taken by connect(), IPv6", cgroup: ebpf.AttachCGroupInet6Connect, proto: udp},
	{program: "tcp_calls", what: "the port of TCP connect() and listen()", cgroup: ebpf.AttachCGroupSockOps, proto: tcp},
})

// In the fentry set udp_connect_end comes before udp_port, which leaves it to tell, and what
// says whose search it is before what sees it end.
var fentryHooks = twice([]hook{
	{program: "tw_unhash", what: "the end of TIME_WAIT", proto: tcp},
	{program: "tw_timer", what: "whether TIME_WAIT ended by its timer", proto: tcp},
	{program: "tw_schedule", what: "from FIN_WAIT2 to TIME_WAIT", proto: tcp},
	{program: "tw_hash", what: "the beginning of TIME_WAIT", proto: tcp, before: "inet_twsk_hashdance"},
	{program: "put", what: "the release of TCP ports", proto: tcp},
	{program: "state", what: "TCP states", proto: tcp, tracepoint: true},
	{program: "udp_unhash", what: "the release of UDP ports", proto: udp},
	{program: "udp_connect_end", what: "the addresses of UDP connect()", proto: udp, arguments: 4},
	{program: "udp_connect", what: "UDP connect() apart from sends", proto: udp},
	{program: "bind4_end", what: "addresses that bind() refuses, IPv4", proto: tcp | udp, arguments: 4},
	{program: "bind6_end", what: "addresses that bind() refuses, IPv6", proto: tcp | udp, arguments: 4},
	{program: "udp_bind4", what: "UDP bind(0) apart from sends, IPv4", proto: udp},
	{program: "udp_bind6", what: "UDP bind(0) apart from sends, IPv6", proto: udp},
	{program: "udp_port", what: "the port of a UDP socket", proto: udp, arguments: 3},
	{program: "udp_search", what: "how long the search for a UDP port took", proto: udp},
	{program: "tcp_port", what: "the port of bind(0) and listen()", proto: tcp, arguments: 2},
	{program: "tcp_search", what: "how long the search of bind(0) took", proto: tcp},
	{program: "connect4", what: "the port of TCP connect(), IPv4", proto: tcp, arguments: 2},
	{program: "connect6", what: "the port of TCP connect(), IPv6", proto: tcp, arguments: 2},
})

// twice adds the second instance of each hook, which is to run after the first. On a tracepoint
// it does if it is attached after it, on a function if before (bpf_trampoline_link_prog).
func twice(hooks []hook) []hook {
	var all []hook
	for _, first := range hooks {
		first.twin = true
		second := first
		second.program += "_nested"
		second.what = "the same where that hook is at work already"
		second.twin, second.rescues = false, true
		if first.tracepoint {
			all = append(all, first, second)
		} else {
			all = append(all, second, first)
		}
	}
	return all
}
