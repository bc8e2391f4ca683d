package main

import (
	"maps"
	"slices"
	"strings"
	"testing"
	"time"
)

func wayNamed(t *testing.T, name string) int {
	t.Helper()
	i := slices.IndexFunc(ways, func(w way) bool { return w.name == name })
	if i < 0 {
		t.Fatalf("no way is called %q", name)
	}
	return i
}

// Each way's range is its own, inside those of ports, and above the server's.
func TestRangesTellTheWays(t *testing.T) {
	before := lastPort
	for i := range ways {
		first, last := rangeOf(i)
		if first <= before || last > 65535 || last-first < 4*maxKnown-1 || first%2 == last%2 {
			t.Errorf("%s: %d to %d after %d", ways[i].name, first, last, before)
		}
		before = last
	}
}

func TestMark(t *testing.T) {
	tw, udp := wayNamed(t, "connect, closed first"), wayNamed(t, "udp disconnect")
	second := window{time.Second, time.Second}
	uses := []use{
		{Way: tw, Port: 4000, Assigned: second, Released: window{61 * time.Second, 62 * time.Second}},
		{Way: tw, Port: 4000, V6: true, Assigned: second, Released: window{61 * time.Second, 62 * time.Second}},
		{Way: udp, Port: 22000},
		{Way: udp, Port: 22000}, // the same number again
	}
	connect := sighting{pid: 42, port: 4000, begins: true, held: unknown}
	life := func(held time.Duration) sighting {
		return sighting{pid: 42, port: 4000, begins: true, ends: true, held: held}
	}
	datagram := sighting{pid: 42, udp: true, port: 22000, begins: true, ends: true}
	for name, tc := range map[string]struct {
		told         []sighting
		begun, ended map[int]int
		wrong        int
		off          []float64
	}{
		"nothing":        {},
		"a beginning":    {told: []sighting{connect}, begun: map[int]int{tw: 1}},
		"told too early": {told: []sighting{life(0)}, begun: map[int]int{tw: 1}, ended: map[int]int{tw: 1}, off: []float64{-60}},
		"told rightly":   {told: []sighting{life(60500 * time.Millisecond)}, begun: map[int]int{tw: 1}, ended: map[int]int{tw: 1}, off: []float64{0}},
		"told too late":  {told: []sighting{life(63 * time.Second)}, begun: map[int]int{tw: 1}, ended: map[int]int{tw: 1}, off: []float64{2}},
		"not how long":   {told: []sighting{life(unknown)}, begun: map[int]int{tw: 1}, ended: map[int]int{tw: 1}},
		"told twice":     {told: []sighting{connect, connect}, begun: map[int]int{tw: 1}, wrong: 1},
		"used twice":     {told: []sighting{datagram, datagram}, begun: map[int]int{udp: 2}, ended: map[int]int{udp: 2}},
		"wrong process":  {told: []sighting{{pid: 7, port: 4000, begins: true}}, wrong: 1},
		"wrong protocol": {told: []sighting{{pid: 42, udp: true, port: 4000, begins: true}}, wrong: 1},
		"wrong port":     {told: []sighting{{pid: 42, port: 4001, ends: true}}, wrong: 1},
	} {
		s := mark(uses, tc.told, 42)
		if got := byWay(s.begun); !maps.Equal(got, tc.begun) {
			t.Errorf("%s: begun %v, want %v", name, got, tc.begun)
		}
		if got := byWay(s.ended); !maps.Equal(got, tc.ended) {
			t.Errorf("%s: ended %v, want %v", name, got, tc.ended)
		}
		if s.wrong != tc.wrong || !slices.Equal(s.off, tc.off) {
			t.Errorf("%s: %d wrong, off by %v; want %d, %v", name, s.wrong, s.off, tc.wrong, tc.off)
		}
	}
}

func byWay(counts []int) map[int]int {
	found := map[int]int{}
	for i, n := range counts {
		if n > 0 {
			found[i] = n
		}
	}
	return found
}

func TestExact(t *testing.T) {
	fleeting := wayNamed(t, "udp disconnect")
	made := slices.Repeat([]int{5}, len(ways))
	with := func(way, begun, ended int) score {
		s := score{begun: slices.Clone(made), ended: slices.Clone(made)}
		s.begun[way], s.ended[way] = begun, ended
		return s
	}
	stable := func(s score) score {
		s.stable = true
		return s
	}
	wrong := with(0, 5, 5)
	wrong.wrong = 1
	for name, tc := range map[string]struct {
		score score
		want  bool
	}{
		"all":                    {with(0, 5, 5), true},
		"one beginning too few":  {with(0, 4, 5), false},
		"one end too few":        {with(0, 5, 4), false},
		"one too many":           {wrong, false},
		"what fentry must see":   {with(fleeting, 0, 0), false},
		"what stable cannot see": {stable(with(fleeting, 0, 0)), true},
		"what stable saw begin":  {stable(with(fleeting, 2, 1)), false},
		"what stable must see":   {stable(with(0, 0, 0)), false},
	} {
		if got := tc.score.exact(made); got != tc.want {
			t.Errorf("%s: %v", name, got)
		}
	}
}

func TestReadSightings(t *testing.T) {
	const text = `{"type":"start","time":"t","schema":1,"hooks":"stable"}
{"type":"assign","time":"t","id":1,"netns":7,"proto":"tcp","port":2290,"src":"127.0.0.1","path":"connect","pid":42}
{"type":"assign","time":"t","id":2,"netns":8,"proto":"tcp","port":2292,"src":"127.0.0.1","path":"connect","pid":42}
{"type":"release","time":"t","id":1,"netns":7,"proto":"tcp","port":2290,"src":"127.0.0.1","pid":42,"held_ns":70000}
{"type":"assign","time":"t","id":3,"netns":7,"proto":"udp","port":24000,"src":"::","path":"udp-send","pid":42}
{"type":"held","time":"t","at":"end","id":3,"netns":7,"proto":"udp","port":24000,"src":"::","pid":42,"held_ns":7}
`
	want := []sighting{
		{pid: 42, port: 2290, begins: true},
		{pid: 42, port: 2290, ends: true, held: 70 * time.Microsecond},
		{pid: 42, udp: true, v6: true, port: 24000, begins: true},
	}
	var got []sighting
	err := readSightings(strings.NewReader(text), ground{NetNS: 7}, func(s sighting, _ int) { got = append(got, s) })
	if err != nil || !slices.Equal(got, want) {
		t.Errorf("%v\ngot  %+v\nwant %+v", err, got, want)
	}
	if set, err := hooksOf(strings.NewReader(text)); err != nil || set != "stable" {
		t.Errorf("hooksOf = %q, %v", set, err)
	}
}

func TestParseSockets(t *testing.T) {
	const text = `  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode
   0: 0100007F:0321 00000000:0000 0A 00000000:00000000 00:00000000 00000000     0        0 3001 1 0000000000000000 100 0 0 10 0
   1: 0100007F:1516 0100007F:0322 06 00000000:00000000 03:00001770 00000000     0        0 0 3 0000000000000000
`
	want := []socketRow{{801, 3001}, {5398, 0}}
	if got := parseSockets(text); !slices.Equal(got, want) {
		t.Errorf("parseSockets = %v, want %v", got, want)
	}
}

func TestHeld(t *testing.T) {
	u := use{Assigned: window{1, 3}, Released: window{10, 20}}
	if got := u.held(); got != (window{7, 19}) {
		t.Errorf("held = %v, want 7 to 19", got)
	}
}
