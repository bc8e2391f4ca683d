package event

import (
	"fmt"
	"net/netip"
	"testing"
)

// roundTrip checks that names are distinct and lead back to their numbers.
func roundTrip[T interface {
	~uint8
	comparable
	fmt.Stringer
}](t *testing.T, first, last T, parse func(string) (T, error)) {
	t.Helper()
	seen := map[string]T{}
	for i := int(first); i <= int(last); i++ {
		name := T(i).String()
		if other, ok := seen[name]; ok {
			t.Errorf("%d and %d are both called %q", other, i, name)
		}
		seen[name] = T(i)
		if back, err := parse(name); err != nil || back != T(i) {
			t.Errorf("%d is %q, which is parsed as %d (%v)", i, name, back, err)
		}
	}
}

func TestNamesAreParsedBack(t *testing.T) {
	roundTrip(t, 0, Explicit, ParsePath)
	roundTrip(t, 0, States-1, ParseState)
	roundTrip(t, 0, Vanished, ParseReason)
	roundTrip(t, TCP, TCP, ParseProto)
	roundTrip(t, UDP, UDP, ParseProto)
}

func TestUnknownIsEmpty(t *testing.T) {
	if p, r := Path(0).String(), Reason(0).String(); p != "" || r != "" {
		t.Errorf("unknown path is %q, unknown reason is %q, want both empty", p, r)
	}
}

func TestNumbersWithoutAName(t *testing.T) {
	for want, got := range map[string]fmt.Stringer{
		"proto-132":   Proto(132),
		"unknown-7":   Explicit + 1,
		"unknown-10":  States,
		"unknown-255": Reason(255),
	} {
		if got.String() != want {
			t.Errorf("got %q, want %q", got, want)
		}
	}
}

func TestParseErrors(t *testing.T) {
	for _, tc := range []struct {
		parse func(string) error
		text  string
		want  string
	}{
		{func(s string) error { _, err := ParseProto(s); return err }, "sctp", `protocol "sctp": want tcp or udp`},
		{func(s string) error { _, err := ParseProto(s); return err }, "", `protocol "": want tcp or udp`},
		{func(s string) error { _, err := ParsePath(s); return err }, "Connect", `path "Connect" is not known`},
		{func(s string) error { _, err := ParseState(s); return err }, "time_wait", `state "time_wait" is not known`},
		{func(s string) error { _, err := ParseReason(s); return err }, "unknown-99", `reason "unknown-99" is not known`},
	} {
		if err := tc.parse(tc.text); err == nil || err.Error() != tc.want {
			t.Errorf("got %v, want %s", err, tc.want)
		}
	}
}

func TestComm(t *testing.T) {
	for name, tc := range map[string]struct {
		comm Comm
		want string
	}{
		"empty":           {Comm{}, ""},
		"short":           {Comm{'n', 'c'}, "nc"},
		"15 bytes":        {Comm([]byte("123456789012345\x00")), "123456789012345"},
		"no NUL at all":   {Comm([]byte("1234567890123456")), "1234567890123456"},
		"rest of another": {Comm([]byte("sh\x00old-name-there")[:16]), "sh"},
		"any bytes":       {Comm{0xff, '\n', 0x1b, '['}, "\xff\n\x1b["},
	} {
		if got := tc.comm.String(); got != tc.want {
			t.Errorf("%s: got %q, want %q", name, got, tc.want)
		}
	}
}

func TestAddr(t *testing.T) {
	for name, tc := range map[string]struct {
		addr Addr
		want string
	}{
		"zero":          {Addr{}, "::"},
		"IPv4":          {Addr{10: 0xff, 11: 0xff, 12: 192, 13: 0, 14: 2, 15: 1}, "192.0.2.1"},
		"IPv4 wildcard": {Addr{10: 0xff, 11: 0xff}, "0.0.0.0"},
		"IPv6":          {Addr{0: 0x20, 1: 0x01, 2: 0x0d, 3: 0xb8, 15: 1}, "2001:db8::1"},
		"not mapped":    {Addr{12: 192, 14: 2, 15: 1}, "::c000:201"},
	} {
		got := tc.addr.Netip()
		if got.String() != tc.want || got != netip.MustParseAddr(tc.want) {
			t.Errorf("%s: got %s, want %s", name, got, tc.want)
		}
	}
}
