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

func place(program string) int {
	return slices.IndexFunc(stableHooks, func(h hook) bool { return h.program == program })
}

func TestEveryHookIsAProgramAndEveryProgramAHook(t *testing.T) {
	programs := spec(t).Programs
	for i, h := range stableHooks {
		p, ok := programs[h.program]
		if !ok {
			t.Errorf("%s is not in the compiled object", h.program)
			continue
		}
		if place(h.program) != i {
			t.Errorf("%s is there twice", h.program)
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
	}
	onDemand := []string{clocks, switched}
	for _, it := range iterators {
		onDemand = append(onDemand, it.program)
		if it.without == "" || it.proto == 0 {
			t.Errorf("%s says nothing of what it is for", it.program)
		}
	}
	for name := range programs {
		if listed := place(name) >= 0; listed == slices.Contains(onDemand, name) {
			t.Errorf("%s: in the table of hooks: %t", name, listed)
		}
	}
	for _, name := range onDemand {
		if programs[name] == nil {
			t.Errorf("%s is not in the compiled object", name)
		}
	}
}

// A second instance follows the first, so that it runs after it on the same tracepoint.
func TestRescuersFollowWhomTheyRescue(t *testing.T) {
	programs := spec(t).Programs
	for i, h := range stableHooks {
		if h.rescues != strings.HasSuffix(h.program, "_nested") {
			t.Errorf("%s: rescues is %t", h.program, h.rescues)
		}
		if !h.rescues {
			continue
		}
		if i == 0 {
			t.Fatalf("%s rescues nobody", h.program)
		}
		first := stableHooks[i-1]
		if first.program+"_nested" != h.program || first.rescues || first.twin == 0 || first.proto != h.proto {
			t.Errorf("%s follows %s", h.program, first.program)
		}
		if a, b := programs[first.program].AttachTo, programs[h.program].AttachTo; a != b {
			t.Errorf("%s is on %s, %s on %s", first.program, a, h.program, b)
		}
	}
}

// No hold that was seen to begin can end unseen, whenever the attaching is at.
func TestWhatEndsIsAttachedBeforeWhatBegins(t *testing.T) {
	ends := map[proto][]string{
		tcp: {"tw_expire", "tw_cancel", "tw_start", "tcp_destroy", "tcp_destroy_nested", "sock_state", "sock_state_nested"},
		udp: {"udp_close"},
	}
	for _, h := range stableHooks {
		for p, names := range ends {
			if !h.isWanted(p) || slices.Contains(names, h.program) {
				continue
			}
			for _, end := range names {
				if place(end) < 0 || place(end) > place(h.program) {
					t.Errorf("%s begins holds that %s ends, and comes before it", h.program, end)
				}
			}
		}
	}
	// a mini-socket's end before its beginning, the port before who asked for it
	for _, pair := range [][2]string{{"tw_expire", "tw_start"}, {"tw_cancel", "tw_start"}, {"post_bind4", "bind4"}, {"post_bind6", "bind6"}} {
		if place(pair[0]) < 0 || place(pair[0]) > place(pair[1]) {
			t.Errorf("%s is to come before %s", pair[0], pair[1])
		}
	}
}

func TestIPv4AndIPv6HaveTheSameHooks(t *testing.T) {
	for _, h := range stableHooks {
		twin, has := strings.CutSuffix(h.program, "4")
		if !has {
			continue
		}
		if i := place(twin + "6"); i < 0 || stableHooks[i].proto != h.proto || stableHooks[i].what != strings.Replace(h.what, "IPv4", "IPv6", 1) {
			t.Errorf("%s has no twin like it", h.program)
		}
	}
}

func TestChooseKeepsWhatTheOptionsNeed(t *testing.T) {
	for name, tc := range map[string]struct {
		options     Options
		with, sans  []string
		allOfHooks  bool
		hooksAtMost int
	}{
		"both": {Options{TCP: true, UDP: true}, []string{"look_files", "look_tcp", "look_udp", "call_sockets", "call_time_waits", clocks}, nil, true, len(stableHooks)},
		"TCP":  {Options{TCP: true}, []string{"look_files", "look_tcp", "call_time_waits", clocks, "bind4"}, []string{"look_udp", "udp_close", "udp_connect4"}, false, len(stableHooks) - 1},
		"UDP":  {Options{UDP: true}, []string{"look_files", "look_udp", "call_sockets", clocks, "bind6"}, []string{"look_tcp", "call_time_waits", "sock_state", "tw_start", "tcp_calls"}, false, len(stableHooks) - 1},
		"none": {Options{}, []string{clocks}, []string{"look_files", "look_tcp", "look_udp", "bind4"}, false, 0},
	} {
		p, s := &Probe{options: tc.options}, spec(t)
		if err := p.choose(s); err != nil {
			t.Fatal(err)
		}
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
		if n := len(p.hooks); n > tc.hooksAtMost || tc.allOfHooks && n != tc.hooksAtMost {
			t.Errorf("%s: %d hooks of %d", name, n, len(stableHooks))
		}
		for _, h := range p.hooks {
			if s.Programs[h.program] == nil {
				t.Errorf("%s: %s is to be attached and not loaded", name, h.program)
			}
		}
	}
}
