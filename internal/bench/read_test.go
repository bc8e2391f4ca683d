package main

import (
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/cilium/ebpf"
)

// A storm of three connects in namespace 7, as porttrace ought to record it, with what
// happened elsewhere on the host.
var recorded = []string{
	`{"type":"start","time":"t","schema":1,"pools":[{"netns":7,"range":[1024,65535]}]}`,
	`{"type":"assign","time":"t","id":1,"netns":7,"path":"connect","pid":42}`,
	`{"type":"assign","time":"t","id":2,"netns":8,"path":"connect","pid":1}`,
	`{"type":"release","time":"t","id":1,"netns":7,"path":"connect","pid":42}`,
	`{"type":"assign","time":"t","id":3,"netns":7,"path":"connect","pid":43}`,
	`{"type":"assign","time":"t","id":4,"netns":7,"path":"connect","pid":42}`,
	`{"type":"release","time":"t","id":4,"netns":7,"path":"connect","pid":42}`,
	`{"type":"held","time":"t","at":"end","id":3,"netns":7,"path":"connect","pid":43}`,
	`{"type":"end","time":"t","lost":0,"complete":true}`,
}

func TestReadRecording(t *testing.T) {
	storm := outcome{
		tally:  tally{Made: map[string]uint64{"connect": 3}},
		ground: ground{NetNS: 7, Clients: []int{42, 43}},
	}
	without := func(line int) []string {
		return append(slices.Clone(recorded[:line]), recorded[line+1:]...)
	}
	with := func(line int, text string) []string {
		return append(append(slices.Clone(recorded[:line]), text), recorded[line+1:]...)
	}
	for _, tc := range []struct {
		name  string
		lines []string
		notes int
		lost  uint64
	}{
		{"all there", recorded, 0, 0},
		{"assign missing", without(1), 2, 0}, // that and its release without an assign
		{"release missing", without(6), 1, 0},
		{"broken off", without(8), 1, 0},
		{"lost", with(8, `{"type":"end","lost":5,"complete":false}`), 1, 5},
		{"wrong owner", with(4, `{"type":"assign","id":3,"netns":7,"path":"connect","pid":9}`), 1, 0},
		{"nothing recorded", recorded[8:], 1, 0},
		{"invented failure", with(0, `{"type":"failure","netns":7,"path":"connect"}`), 1, 0},
	} {
		text := strings.Join(tc.lines, "\n") + "\n"
		b, err := readRecording(strings.NewReader(text), storm.ground)
		if err != nil {
			t.Errorf("%s: %v", tc.name, err)
			continue
		}
		a := b.account(storm)
		if len(a.notes) != tc.notes || a.lost != tc.lost {
			t.Errorf("%s: %d lost, notes %q; want %d lost, %d notes", tc.name, a.lost, a.notes, tc.lost, tc.notes)
		}
		var size uint64
		for _, line := range tc.lines {
			if strings.Contains(line, `"netns":7,"p`) { // not the start record
				size += uint64(len(line)) + 1
			}
		}
		if b.size != size {
			t.Errorf("%s: %d bytes, want %d", tc.name, b.size, size)
		}
	}
	if _, err := readRecording(strings.NewReader("{\n"), storm.ground); err == nil {
		t.Error("a line that is no JSON: no error")
	}
}

func TestLines(t *testing.T) {
	c, ok := statsLine("bpf: port_assign_and_more runs=3 ns=600 misses=1")
	if !ok || c.name != "port_assign_and_more" || c.perRun() != 200 || c.missed != 1 {
		t.Errorf("statsLine = %+v, %v", c, ok)
	}
	if _, ok := statsLine("porttrace: tracing"); ok {
		t.Error("statsLine takes another line for its own")
	}
	said := []string{"porttrace: tracing", "porttrace: lost 8 events: no room", "porttrace: 3 assigned, 8 lost"}
	if got := complaints(said); !slices.Equal(got, []string{"lost 8 events: no room"}) {
		t.Errorf("complaints = %q", got)
	}
	stat := "42 (a) b) S 1 42 42 0 -1 4194560 1 0 0 0 150 50 0 0 20 0 1 0 100 1 1"
	if got := parseStat(stat); got != 2*time.Second {
		t.Errorf("parseStat = %s, want 2s", got)
	}
}

func TestParseBusy(t *testing.T) {
	const text = "cpu  100 10 200 9999 8888 1 20 5 40 40\ncpu0 1 1 1 1 1 1 1 1 1 1\n"
	if got := parseBusy(text); got != 3360*time.Millisecond {
		t.Errorf("parseBusy = %s, want 3.36s", got)
	}
}

func TestMergePrefersTheTracersWord(t *testing.T) {
	seen := []cost{{name: "port_assign_and", kind: ebpf.SockOps, runs: 2}}
	if got := merge(seen, []string{"porttrace: tracing"}); !slices.Equal(got, seen) {
		t.Errorf("nothing told: %+v", got)
	}
	got := merge(seen, []string{"bpf: port_assign_and_more runs=3 ns=600 misses=1"})
	if len(got) != 1 || got[0].runs != 3 || got[0].kind != ebpf.SockOps {
		t.Errorf("told: %+v", got)
	}
	idle := []cost{{kind: ebpf.Tracing, runs: 1, time: 30}, {kind: ebpf.SockOps, runs: 1, time: 40}}
	if o := overhead(ebpf.SockOps, idle); o != 40 {
		t.Errorf("overhead of its own kind = %v", o)
	}
	if o := overhead(ebpf.CGroupSockAddr, idle); o != 30 {
		t.Errorf("overhead of another kind = %v", o)
	}
}
