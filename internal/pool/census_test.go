package pool

import (
	"net/netip"
	"testing"

	"porttrace/internal/event"
	"porttrace/internal/lifetime"
)

func TestUse(t *testing.T) {
	const tcp, udp = event.TCP, event.UDP
	to, to2 := connectTo(server), connectTo(server2)
	for name, tc := range map[string]struct {
		reserved string
		fill     func(*held)
		pool     Key
		want     use
	}{
		"nobody":                        {"", func(h *held) {}, keyTo(server), use{0, 1000, 0}},
		"its own connections":           {"", func(h *held) { h.add(7, 40000, to) }, keyTo(server), use{7, 1000, 0}},
		"those to others share":         {"", func(h *held) { h.add(7, 40000, to); h.add(9, 40000, to2) }, keyTo(server), use{7, 1000, 0}},
		"TIME_WAIT":                     {"", func(h *held) { h.add(7, 40000, to); h.add(5, 40100, inTimeWait(to)) }, keyTo(server), use{12, 1000, 5}},
		"bind poisons":                  {"", func(h *held) { h.add(7, 40000, to); h.add(11, 40100, bound(tcp, here)) }, keyTo(server), use{7, 989, 0}},
		"bind poisons from any address": {"", func(h *held) { h.add(11, 40100, bound(tcp, other)); h.add(2, 40200, bound(tcp, any6)) }, keyTo(server), use{0, 987, 0}},
		"UDP does not":                  {"", func(h *held) { h.add(11, 40100, bound(udp, here)) }, keyTo(server), use{0, 1000, 0}},
		"poisoned twice is once":        {"", func(h *held) { h.add(3, 40100, bound(tcp, here)); h.add(3, 40100, bound(tcp, other)) }, keyTo(server), use{0, 997, 0}},
		"poisoned and reserved":         {"40100-40109", func(h *held) { h.add(4, 40100, bound(tcp, here)); h.add(1, 40110, bound(tcp, here)) }, keyTo(server), use{0, 989, 0}},
		"poisoned outside of the range": {"", func(h *held) { h.add(5, 8080, bound(tcp, here)); h.add(2, 40999, bound(tcp, here)) }, keyTo(server), use{0, 999, 0}},
		"in use before it was poisoned": {"", func(h *held) { h.add(5, 40000, to); h.add(6, 40000, bound(tcp, other)) }, keyTo(server), use{5, 999, 0}},
		"explicit and unknown poison": {"", func(h *held) {
			e := bound(tcp, here)
			e.Path = event.Explicit
			h.add(1, 40000, e)
			e.Path = 0
			h.add(1, 40001, e)
		}, keyTo(server), use{0, 998, 0}},
		"bind shares with nobody":        {"", func(h *held) { h.add(7, 40000, bound(tcp, here)); h.add(9, 40100, to); h.add(2, 40100, to2) }, keyOn(tcp, here), use{16, 1000, 0}},
		"bind, another address":          {"", func(h *held) { h.add(7, 40000, bound(tcp, other)) }, keyOn(tcp, here), use{0, 1000, 0}},
		"bind, a wildcard takes all":     {"", func(h *held) { h.add(7, 40000, bound(tcp, anyAddr)); h.add(2, 40100, bound(tcp, any6)) }, keyOn(tcp, here), use{9, 1000, 0}},
		"bind to the wildcard":           {"", func(h *held) { h.add(7, 40000, bound(tcp, here)); h.add(2, 40005, bound(tcp, other)) }, keyOn(tcp, anyAddr), use{7, 1000, 0}},
		"IPv6 beside the IPv4 wildcard":  {"", func(h *held) { h.add(7, 40000, bound(tcp, anyAddr)) }, keyOn(tcp, here6), use{0, 1000, 0}},
		"the IPv6 wildcard meets all":    {"", func(h *held) { h.add(7, 40000, bound(tcp, here)); h.add(1, 40100, bound(tcp, here6)) }, keyOn(tcp, any6), use{8, 1000, 0}},
		"UDP sockets that share a port":  {"", func(h *held) { h.add(3, 40000, bound(udp, here)); h.add(3, 40000, bound(udp, here)) }, keyOn(udp, here), use{3, 1000, 0}},
		"UDP beside TCP":                 {"", func(h *held) { h.add(3, 40000, bound(tcp, here)) }, keyOn(udp, here), use{0, 1000, 0}},
		"UDP, connected ones meet":       {"", func(h *held) { c := bound(udp, here); c.Path, c.Dst = event.UDPConnect, server; h.add(3, 40000, c) }, keyOn(udp, anyAddr), use{3, 1000, 0}},
		"TIME_WAIT beside a live one":    {"", func(h *held) { h.add(2, 40000, inTimeWait(to)); h.add(1, 40001, to2) }, keyOn(tcp, here), use{2, 1000, 1}},
		"another namespace":              {"", func(h *held) { h.add(3, 40000, to); (*h)[1].NetNS = 7 }, keyTo(server), use{2, 1000, 0}},
		"reserved ports are nobody's":    {"40000-40009", func(h *held) { h.add(20, 40000, to) }, keyTo(server), use{10, 990, 0}},
		"a connect from another address": {"", func(h *held) { c := to; c.Src = other; h.add(3, 40000, c) }, keyTo(server), use{0, 1000, 0}},
		"few that share a port": {"", func(h *held) {
			h.add(2, 40000, to)
			h.add(1, 40000, inTimeWait(to))
			h.add(1, 40002, inTimeWait(to))
		}, keyTo(server), use{3, 1000, 1}},
		"few, waiting before a live one": {"", func(h *held) {
			h.add(1, 40000, inTimeWait(to))
			h.add(1, 40000, to)
			h.add(2, 40005, bound(tcp, other))
			h.add(1, 40006, to)
		}, keyTo(server), use{2, 999, 0}},
		"more of the same": {"", func(h *held) {
			h.add(3, 40000, inTimeWait(to))
			h.add(3, 40000, to)
			h.add(2, 40005, bound(tcp, other))
			h.add(1, 40006, to)
		}, keyTo(server), use{4, 999, 0}},
	} {
		ranges := rangesOf(t, "40000 40999", tc.reserved)
		ranges.known[7] = &remembered{read: ranges.now(), lasts: retry} // out of reach
		var h held
		tc.fill(&h)
		if got := takeCensus(ranges, &h).space(home, 0).use(tc.pool); got != tc.want {
			t.Errorf("%s: got %+v, want %+v", name, got, tc.want)
		}
	}
}

func TestConflicts(t *testing.T) {
	addrs := []netip.Addr{anyAddr, any6, here, other, here6}
	// the rows and columns are in that order
	want := [][]bool{
		{true, true, true, true, false},
		{true, true, true, true, true},
		{true, true, true, false, false},
		{true, true, false, true, false},
		{false, true, false, false, true},
	}
	for i, a := range addrs {
		for j, b := range addrs {
			if got := Conflicts(a, b); got != want[i][j] {
				t.Errorf("%s and %s: got %t", a, b, got)
			}
		}
	}
}

// What is skipped before counting must be what would not be reported after it.
func TestFullMissesNoPool(t *testing.T) {
	ranges := rangesOf(t, "40000 40999", "40990-40999")
	var h held
	h.add(300, 40500, bound(event.TCP, other))
	h.add(172, 40000, connectTo(server)) // 690 usable: a quarter is 172.5
	h.add(173, 40000, connectTo(server2))
	got := map[Key]use{}
	takeCensus(ranges, &h).full(func(k Key, u use) { got[k] = u })
	want := map[Key]use{keyTo(server2): {173, 690, 0}, keyOn(event.TCP, other): {300, 990, 0}}
	if len(got) != len(want) {
		t.Errorf("got %+v, want %+v", got, want)
	}
	for k, u := range want {
		if got[k] != u {
			t.Errorf("%+v: got %+v, want %+v", k, got[k], u)
		}
	}
}

func TestKeyOf(t *testing.T) {
	h := lifetime.Hold{NetNS: home, Proto: event.TCP, Src: here, Dst: server}
	for path, want := range map[event.Path]Key{
		event.Connect: keyTo(server), event.Bind: keyOn(event.TCP, here), event.Listen: keyOn(event.TCP, here),
		event.Explicit: keyOn(event.TCP, here), event.UDPConnect: keyOn(event.TCP, here), event.UDPSend: keyOn(event.TCP, here),
	} {
		h.Path = path
		if got := KeyOf(&h); got != want {
			t.Errorf("%s: got %+v, want %+v", path, got, want)
		}
	}
}
