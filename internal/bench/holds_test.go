package main

import "testing"

func TestEach(t *testing.T) {
	for _, tc := range []struct {
		before, after uint64
		n             int
		want          string
	}{
		{4_000_000, 104_000_000, 250_000, "400"},
		{500, 400, 10, "-10"},
		{7, 7, 3, "0"},
		{0, 5, 0, "5"},
	} {
		if got := each(tc.before, tc.after, tc.n); got != tc.want {
			t.Errorf("each(%d, %d, %d) = %q, want %q", tc.before, tc.after, tc.n, got, tc.want)
		}
	}
}

func TestPortsFor(t *testing.T) {
	for holds, want := range map[int]int{1: 1, holdsPerPort: 1, holdsPerPort + 1: 2, 250_000: 8, maxHolds: 16} {
		got := portsFor(holds)
		if got != want {
			t.Errorf("portsFor(%d) = %d, want %d", holds, got, want)
		}
		if last := firstPort + got - 1; last >= 1024 {
			t.Errorf("%d holds: port %d is in the ephemeral range", holds, last)
		}
	}
}

func TestTimeWaits(t *testing.T) {
	const text = "sockets: used 12\nTCP: inuse 8 orphan 0 tw 250000 alloc 9 mem 0\nUDP: inuse 1 mem 0\n"
	for in, want := range map[string]int{text: 250_000, "": 0, "TCP: inuse 8 tw\n": 0} {
		if got := timeWaits(in); got != want {
			t.Errorf("timeWaits(%q) = %d, want %d", in, got, want)
		}
	}
}
