package event

import (
	"os"
	"regexp"
	"strings"
	"testing"
)

// enum returns the members of an enum in bpf/event.h in order, so that numbers on both
// sides cannot drift apart. It fails on what it does not understand.
func enum(t *testing.T, name string) map[string]int {
	t.Helper()
	text, err := os.ReadFile("../../bpf/event.h")
	if err != nil {
		t.Fatal(err)
	}
	plain := regexp.MustCompile(`(?s)/\*.*?\*/`).ReplaceAllString(string(text), "")
	body := regexp.MustCompile(`enum ` + name + ` \{([^}]*)\}`).FindStringSubmatch(plain)
	if body == nil {
		t.Fatalf("bpf/event.h has no enum %s", name)
	}
	members := map[string]int{}
	next := 0
	for member := range strings.SplitSeq(body[1], ",") {
		member = strings.TrimSpace(member)
		switch key, value, has := strings.Cut(member, " = "); {
		case member == "":
			continue
		case has && value == "1":
			member, next = key, 1
		case has:
			t.Fatalf("enum %s: %q: this test knows = 1 only", name, member)
		}
		members[member] = next
		next++
	}
	return members
}

func TestKindsEqualTheKernelSide(t *testing.T) {
	same(t, enum(t, "event_kind"), map[string]int{
		"KIND_ASSIGN": int(Assign), "KIND_STATE": int(Entered), "KIND_RELEASE": int(Release),
		"KIND_REVOKE": int(Revoke), "KIND_EXPIRE": int(Expire), "KIND_FAILURE": int(Failure),
		"KIND_PENDING": int(Pending), "KIND_HELD": int(Held), "KIND_TUPLE": int(Tuple), "KIND_FOUND": int(Found),
	})
}

// The other enums name what the recordings name: PATH_UDP_SEND is "udp-send".
func TestNamesEqualTheKernelSide(t *testing.T) {
	paths := map[string]int{"PATH_UNKNOWN": 0}
	for i, n := range pathNames[1:] {
		paths["PATH_"+strings.ToUpper(strings.ReplaceAll(n, "-", "_"))] = i + 1
	}
	same(t, enum(t, "port_path"), paths)

	states := map[string]int{"STATES": int(States)}
	for i, n := range stateNames {
		states["STATE_"+n] = i
	}
	same(t, enum(t, "port_state"), states)

	reasons := map[string]int{"REASON_NONE": 0}
	for i, n := range reasonNames[1:] {
		reasons["REASON_"+strings.ToUpper(n)] = i + 1
	}
	same(t, enum(t, "end_reason"), reasons)
}

func same(t *testing.T, kernel, ours map[string]int) {
	t.Helper()
	for name, number := range kernel {
		if got, ok := ours[name]; !ok || got != number {
			t.Errorf("%s is %d in bpf/event.h and %d here (known: %t)", name, number, got, ok)
		}
	}
	for name := range ours {
		if _, ok := kernel[name]; !ok {
			t.Errorf("%s is not in bpf/event.h", name)
		}
	}
}

// The constants carry the names: a constant in the wrong place of its list would
// otherwise pass.
func TestConstantsCarryTheirNames(t *testing.T) {
	for want, got := range map[string]interface{ String() string }{
		"connect": Connect, "bind": Bind, "listen": Listen, "udp-connect": UDPConnect,
		"udp-send": UDPSend, "explicit": Explicit, "tcp": TCP, "udp": UDP,
		"BOUND": Bound, "LISTEN": Listening, "SYN_SENT": SynSent, "ESTABLISHED": Established,
		"CLOSE_WAIT": CloseWait, "LAST_ACK": LastAck, "FIN_WAIT1": FinWait1,
		"FIN_WAIT2": FinWait2, "CLOSING": Closing, "TIME_WAIT": TimeWait,
		"closed": Closed, "time_wait_expired": TimeWaitExpired, "time_wait_reused": TimeWaitReused,
		"time_wait_killed": TimeWaitKilled, "reset": Reset, "refused": Refused,
		"timed_out": TimedOut, "unreachable": Unreachable, "aborted": Aborted,
		"disconnected": Disconnected, "netns_destroyed": NetnsDestroyed, "vanished": Vanished,
	} {
		if got.String() != want {
			t.Errorf("the constant of %q calls itself %q", want, got)
		}
	}
}
