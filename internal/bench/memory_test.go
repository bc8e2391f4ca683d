package main

import (
	"os"
	"testing"

	"porttrace/internal/testutil/need"
)

func TestKilobytes(t *testing.T) {
	const text = "Name:\ta: VmRSS\nVmHWM:\t   52576 kB\nVmRSS:\t 1 kB\nVmData:\t\n"
	for name, want := range map[string]uint64{"VmHWM": 52576 << 10, "VmRSS": 1 << 10, "VmData": 0, "VmSwap": 0, "Name": 0} {
		if got := kilobytes(text, name); got != want {
			t.Errorf("kilobytes(%q) = %d, want %d", name, got, want)
		}
	}
}

func TestMapInfo(t *testing.T) {
	for _, tc := range []struct {
		name, text, id string
		bytes          uint64
		ok             bool
	}{
		{"map", "pos:\t0\nmap_type:\t1\nmax_entries:\t9\nmemlock:\t4379424\nmap_id:\t76\nfrozen:\t0\n", "76", 4379424, true},
		{"program", "pos:\t0\nprog_type:\t26\nmemlock:\t8192\nprog_id:\t77\n", "", 0, false},
		{"socket", "pos:\t0\nflags:\t02\n", "", 0, false},
		{"closed meanwhile", "", "", 0, false},
		{"no size", "map_id:\t76\n", "76", 0, false},
	} {
		id, bytes, ok := mapInfo(tc.text)
		if id != tc.id || bytes != tc.bytes || ok != tc.ok {
			t.Errorf("%s: %q, %d, %v; want %q, %d, %v", tc.name, id, bytes, ok, tc.id, tc.bytes, tc.ok)
		}
	}
}

func TestSlabInUse(t *testing.T) {
	const text = `slabinfo - version: 2.1
# name            <active_objs> <num_objs> <objsize> <objperslab> <pagesperslab> : tunables
tw_sock_TCP       250016 250016    256   16    1 : tunables    0    0    0
kmalloc-cg-512    1000   1600    512   16    2 : tunables    0    0    0
kmalloc-8              2    512      8  512    1 : tunables    0    0    0
`
	if got := slabInUse(text); got != 512_016 {
		t.Errorf("slabInUse = %d, want 512016", got)
	}
	if got := slabInUse("kmalloc-8 x\n\n"); got != 0 {
		t.Errorf("slabInUse of nonsense = %d", got)
	}
}

func TestMemoryOfThisProcess(t *testing.T) {
	need.Root(t, "/proc/slabinfo is read")
	m, err := memoryOf(os.Getpid())
	if err != nil || m.resident == 0 || m.slab == 0 || m.maps != 0 {
		t.Errorf("memoryOf = %+v, %v; want a resident set, slab and no maps", m, err)
	}
	if peak := peakOf(os.Getpid()); peak < m.resident/2 {
		t.Errorf("the peak is %d, the present size %d", peak, m.resident)
	}
	if peak := peakOf(1 << 30); peak != 0 {
		t.Errorf("a process that is not there has a peak of %d", peak)
	}
}
