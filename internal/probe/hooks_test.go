package probe

import (
	"slices"
	"strings"
	"testing"

	"github.com/cilium/ebpf"
)

func spec(t *testing.T) *ebpf.CollectionSpec {
	t.Helper()
	s, err := loadBpf()
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func place(hooks []hook, program string) int {
	return slices.IndexFunc(hooks, func(h hook) bool { return h.program == program })
}

var sets = map[Set][]hook{Stable: stableHooks, Fentry: fentryHooks}

func TestEveryHookIsAProgramAndEveryProgramAHook(t *testing.T) {
	programs := spec(t).Programs
	for set, hooks := range sets {
		for i, h := range hooks {
			checkHook(t, programs[h.program], h)
			if place(hooks, h.program) != i {
				t.Errorf("%s is there twice", h.program)
			}
			for other, hooks := range sets {
				if other != set && place(hooks, h.program) >= 0 {
					t.Errorf("%s is in both sets", h.program)
				}
			}
		}
	}
	onDemand := []string{clocks, switched, cgroupGone}
	for _, it := range iterators {
		onDemand = append(onDemand, it.program)
		if it.without == "" || it.proto == 0 {
			t.Errorf("%s says nothing of what it is for", it.program)
		}
	}
	for name := range programs {
		listed := place(stableHooks, name) >= 0 || place(fentryHooks, name) >= 0
		if listed == slices.Contains(onDemand, name) {
			t.Errorf("%s: in the table of hooks: %t", name, listed)
		}
	}
	for _, name := range onDemand {
		if programs[name] == nil {
			t.Errorf("%s is not in the compiled object", name)
		}
	}
}

func checkHook(t *testing.T, p *ebpf.ProgramSpec, h hook) {
	t.Helper()
	if p == nil {
		t.Errorf("%s is not in the compiled object", h.program)
		return
	}
	if h.what == "" || h.proto == 0 {
		t.Errorf("%s says nothing of what it is for", h.program)
	}
	if h.cgroup != ebpf.AttachNone && p.AttachType != h.cgroup {
		t.Errorf("%s is compiled for %v and attached as %v", h.program, p.AttachType, h.cgroup)
	}
	if tracing := p.Type == ebpf.Tracing; tracing != (h.cgroup == ebpf.AttachNone) {
		t.Errorf("%s is a %v program and attached as %v", h.program, p.Type, h.cgroup)
	}
	if returns := p.AttachType == ebpf.AttachTraceFExit; returns != (h.arguments != 0) {
		t.Errorf("%s reads what a function returns: %t, and knows where it lies: %t", h.program, returns, h.arguments != 0)
	}
}

// A second instance is to run after the first: on a tracepoint the one attached later does,
// on a function the one attached earlier.
func TestRescuersFollowWhomTheyRescue(t *testing.T) {
	programs := spec(t).Programs
	for _, hooks := range sets {
		for i, h := range hooks {
			if h.rescues != strings.HasSuffix(h.program, "_nested") {
				t.Errorf("%s: rescues is %t", h.program, h.rescues)
			}
			if !h.rescues {
				continue
			}
			at := i - 1
			if programs[h.program].AttachType != ebpf.AttachTraceRawTp {
				at = i + 1
			}
			if at < 0 || at == len(hooks) {
				t.Fatalf("%s rescues nobody", h.program)
			}
			first := hooks[at]
			if first.program+"_nested" != h.program || first.rescues || !first.twin || first.proto != h.proto || first.before != h.before || first.optional != h.optional {
				t.Errorf("%s is beside %s", h.program, first.program)
			}
			if a, b := programs[first.program].AttachTo, programs[h.program].AttachTo; a != b {
				t.Errorf("%s is on %s, %s on %s", first.program, a, h.program, b)
			}
		}
	}
}

// No hold that was seen to begin can end unseen, whenever the attaching is at.
func TestWhatEndsIsAttachedBeforeWhatBegins(t *testing.T) {
	ends := map[Set]map[proto][]string{
		Stable: {
			tcp: {"tw_expire", "tw_cancel", "tw_start", "tcp_destroy", "tcp_destroy_nested", "sock_state", "sock_state_nested"},
			udp: {"udp_close"},
		},
		Fentry: {
			tcp: {"tw_unhash", "tw_unhash_nested", "tw_timer", "tw_timer_nested", "tw_schedule", "tw_schedule_nested",
				"tw_hash", "tw_hash_nested", "put", "put_nested", "state", "state_nested"},
			udp: {"udp_unhash", "udp_unhash_nested"},
		},
	}
	for set, hooks := range sets {
		for _, h := range hooks {
			for p, names := range ends[set] {
				if !h.isWanted(p) || slices.Contains(names, h.program) {
					continue
				}
				for _, end := range names {
					if place(hooks, end) < 0 || place(hooks, end) > place(hooks, h.program) {
						t.Errorf("%s begins holds that %s ends, and comes before it", h.program, end)
					}
				}
			}
		}
	}
	// a mini-socket's end before its beginning, the port before who asked for it; and in the
	// fentry set who tells of a port before who leaves that to it
	for set, pairs := range map[Set][][2]string{
		Stable: {{"tw_expire", "tw_start"}, {"tw_cancel", "tw_start"}, {"post_bind4", "bind4"}, {"post_bind6", "bind6"}},
		Fentry: {{"tw_unhash", "tw_hash"}, {"tw_timer", "tw_hash"}, {"udp_connect_end", "udp_connect"}, {"udp_connect", "udp_port"},
			{"bind4_end", "udp_bind4"}, {"bind6_end", "udp_bind6"}, {"udp_bind4", "udp_port"}, {"udp_bind6", "udp_port"}},
	} {
		for _, pair := range pairs {
			if first := place(sets[set], pair[0]); first < 0 || first > place(sets[set], pair[1]) {
				t.Errorf("%s is to come before %s", pair[0], pair[1])
			}
		}
	}
}

func TestIPv4AndIPv6HaveTheSameHooks(t *testing.T) {
	for _, hooks := range sets {
		for _, h := range hooks {
			name, has := h.program, strings.Contains(h.program, "4")
			if !has {
				continue
			}
			i := place(hooks, strings.Replace(name, "4", "6", 1))
			if i < 0 || hooks[i].proto != h.proto || hooks[i].what != strings.Replace(h.what, "IPv4", "IPv6", 1) {
				t.Errorf("%s has no twin like it", h.program)
			}
		}
	}
}

func TestChooseKeepsWhatTheOptionsNeed(t *testing.T) {
	for name, tc := range map[string]struct {
		set        Set
		options    Options
		with, sans []string
		allOfHooks bool
	}{
		"both": {Stable, Options{TCP: true, UDP: true}, []string{"look_files", "look_tcp", "look_udp", "call_sockets", "call_time_waits", clocks}, []string{"put"}, true},
		"TCP":  {Stable, Options{TCP: true}, []string{"look_files", "look_tcp", "call_time_waits", clocks, "bind4"}, []string{"look_udp", "udp_close", "udp_connect4"}, false},
		"UDP":  {Stable, Options{UDP: true}, []string{"look_files", "look_udp", "call_sockets", clocks, "bind6"}, []string{"look_tcp", "call_time_waits", "sock_state", "tw_start", "tcp_calls"}, false},
		"none": {Stable, Options{}, []string{clocks}, []string{"look_files", "look_tcp", "look_udp", "bind4"}, false},

		"fentry, both": {Fentry, Options{TCP: true, UDP: true}, []string{"look_files", "look_tcp", "look_udp", "call_sockets", "call_time_waits"}, []string{"bind4", clocks}, true},
		"fentry, TCP":  {Fentry, Options{TCP: true}, []string{"put", "bind4_end", "connect6"}, []string{"udp_unhash", "udp_port", clocks}, false},
		"fentry, UDP":  {Fentry, Options{UDP: true}, []string{"udp_unhash", "bind4_end"}, []string{"put", "state", "connect4", clocks}, false},
	} {
		p, s, all := &Probe{options: tc.options, set: tc.set}, spec(t), len(tc.set.hooks())
		p.choose(s)
		for _, program := range tc.with {
			if s.Programs[program] == nil {
				t.Errorf("%s: %s is left out", name, program)
			}
		}
		for _, program := range tc.sans {
			if s.Programs[program] != nil {
				t.Errorf("%s: %s is kept", name, program)
			}
		}
		if n := len(p.hooks); tc.allOfHooks != (n == all) {
			t.Errorf("%s: %d hooks of %d", name, n, all)
		}
		for _, h := range p.hooks {
			if s.Programs[h.program] == nil {
				t.Errorf("%s: %s is to be attached and not loaded", name, h.program)
			}
		}
	}
}
