package main

import (
	"slices"
	"testing"
	"time"
)

func TestMedian(t *testing.T) {
	for _, tc := range []struct {
		in   []float64
		want float64
	}{
		{nil, 0},
		{[]float64{7}, 7},
		{[]float64{3, 1, 2}, 2},
		{[]float64{4, 1, 3, 2}, 2.5},
	} {
		if got := median(tc.in); got != tc.want {
			t.Errorf("median(%v) = %v, want %v", tc.in, got, tc.want)
		}
	}
	in := []float64{3, 1, 2}
	median(in)
	if !slices.Equal(in, []float64{3, 1, 2}) {
		t.Errorf("median reordered its argument: %v", in)
	}
}

func TestRatiosStayWithinTheRound(t *testing.T) {
	// The machine was twice as fast in the second round: the ratio does not care.
	got := ratios([]float64{90, 180, 5, 70}, []float64{100, 200, 0})
	if want := []float64{0.9, 0.9}; !slices.Equal(got, want) {
		t.Errorf("ratios = %v, want %v", got, want)
	}
}

func TestPerMillion(t *testing.T) {
	for _, tc := range []struct {
		cpu  time.Duration
		n    uint64
		want float64
	}{
		{time.Second, 500_000, 2},
		{0, 500_000, 0},
		{time.Second, 0, 0},
	} {
		if got := perMillion(tc.cpu, tc.n); got != tc.want {
			t.Errorf("perMillion(%s, %d) = %v, want %v", tc.cpu, tc.n, got, tc.want)
		}
	}
}

func TestCounts(t *testing.T) {
	var c counts
	if err := c.Set("1, 3"); err != nil || c.String() != "1,3" {
		t.Errorf(`Set("1, 3") = %v, %v`, c, err)
	}
	for _, bad := range []string{"", "0", "-1", "1,,3", "x"} {
		if err := c.Set(bad); err == nil {
			t.Errorf("Set(%q): no error", bad)
		}
	}
	if c.String() != "1,3" {
		t.Errorf("a refused list changed the old one to %v", c)
	}
}

func TestThousands(t *testing.T) {
	for n, want := range map[uint64]string{0: "0", 999: "999", 1000: "1,000", 23500: "23,500", 1234567: "1,234,567"} {
		if got := thousands(n); got != want {
			t.Errorf("thousands(%d) = %q, want %q", n, got, want)
		}
	}
}

func TestNetstat(t *testing.T) {
	const text = "TcpExt: SyncookiesSent ListenOverflows ListenDrops\nTcpExt: 1 23 24\n" +
		"IpExt: InNoRoutes InOctets\nIpExt: 5 6\n"
	for name, want := range map[string]uint64{"ListenOverflows": 23, "InOctets": 6, "NotThere": 0} {
		if got := netstat(text, name); got != want {
			t.Errorf("netstat(%q) = %d, want %d", name, got, want)
		}
	}
}

func TestPlan(t *testing.T) {
	count := func(list []action, is func(action) bool) (n int) {
		for _, a := range list {
			if is(a) {
				n++
			}
		}
		return n
	}
	orderly := func(a action) bool { return !a.udp && a.end != reset }
	for _, every := range []int{0, 1, 16} {
		tcp, all := plan("tcp", every), plan("all", every)
		if every > 0 && count(tcp, orderly)*every != len(tcp) {
			t.Errorf("one in %d: %d of %d are orderly", every, count(tcp, orderly), len(tcp))
		}
		if every == 0 && count(tcp, orderly) > 0 {
			t.Error("orderly closes though none were asked for")
		}
		if got := count(all, func(a action) bool { return a.udp }); got*3 != len(all) {
			t.Errorf("mix all: %d of %d are UDP, want a third", got, len(all))
		}
		for _, path := range []string{"connect", "udp-connect", "udp-send"} {
			on := func(six bool) int {
				return count(all, func(a action) bool { return a.path() == path && a.v6 == six })
			}
			if on(true) != on(false) || on(true) == 0 {
				t.Errorf("mix all, %s: %d on IPv6, %d on IPv4", path, on(true), on(false))
			}
		}
	}
}
