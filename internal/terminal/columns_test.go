package terminal

import (
	"bytes"
	"fmt"
	"math"
	"strings"
	"testing"

	"porttrace/internal/event"
	"porttrace/internal/lifetime"
)

// owners are records of owners on all levels, and of none.
func owners() []*lifetime.Record {
	var rs []*lifetime.Record
	for _, edit := range []func(*lifetime.Hold){inPod, inUnit, inContainer, nobody, named("\x1b[2J日本語\u202e x"), ipv6} {
		h := hold(states{event.Established: 412 * ms, event.TimeWait: 60900 * ms}, edit)
		rs = append(rs, &lifetime.Record{Type: lifetime.Assign, Time: epoch, Hold: h},
			&lifetime.Record{Type: lifetime.Release, Time: epoch, Hold: h, Reason: event.TimeWaitExpired})
	}
	h := hold(nil, inPod)
	return append(rs, &lifetime.Record{Type: lifetime.Failure, Time: epoch, Failure: failure("EADDRNOTAVAIL", lifetime.RangeExhausted, func(f *lifetime.FailureInfo) {
		f.Owner, f.NetNSName, f.InUse, f.Usable = h.Owner, h.NetNSName, 28232, 28232
	})})
}

func TestColumnsGolden(t *testing.T) {
	var out bytes.Buffer
	for _, opts := range []Options{
		{Width: 140}, {Width: 180},
		{Width: 100, More: []string{"pod", "unit"}},
		{Width: 120, More: []string{"src", "what", "owner"}},
		{Width: 120, Columns: []string{"port", "what", "where", "cmdline"}},
		{Width: 120, Columns: []string{"time", "event", "user", "user_unit", "pod", "what"}},
		{Width: 60, Columns: []string{"port", "cgroup", "exe", "cmdline"}},
		{Width: 300, Columns: ColumnNames()},
		{Columns: ColumnNames()},
	} {
		fmt.Fprintf(&out, "%+v\n", opts)
		out.WriteString(render(t, opts, owners()) + "\n")
	}
	golden(t, "columns.txt", out.Bytes())
}

// Every column that there is can be asked for by its name, and stands where it was asked for.
func TestColumnsStandInOrder(t *testing.T) {
	names := ColumnNames()
	if len(names) != int(colWhat)+1 {
		t.Fatalf("%d names for %d columns", len(names), colWhat+1)
	}
	for i, name := range names {
		other := names[(i+7)%len(names)]
		header, _, _ := strings.Cut(render(t, Options{Columns: []string{other, name}}, owners()), "\n")
		want := []string{kinds[columnsOf([]string{other})[0]].title, kinds[columnsOf([]string{name})[0]].title}
		if got := strings.Fields(header); len(got) != 2 || got[0] != want[0] || got[1] != want[1] {
			t.Errorf("columns %s, %s: the header is %q, want %q", other, name, header, want)
		}
	}
}

// Where a line has room for the least of the columns asked for, no row is longer, whatever
// names there are in it; and nothing of a name reaches the terminal as it is.
func TestColumnsKeepTheLine(t *testing.T) {
	var rs []*lifetime.Record
	for _, name := range append(hostile, strings.Repeat("x", 500), strings.Repeat("漢", 100), strings.Repeat("\x1b", 100)) {
		h := hold(states{event.Established: sec}, named(name))
		rs = append(rs, &lifetime.Record{Type: lifetime.Release, Time: epoch, Hold: h, Reason: event.Closed})
	}
	text := []string{"where", "unit", "user_unit", "container", "container_name", "pod", "cgroup", "exe", "cmdline", "user", "netns_name"}
	for _, width := range []int{40, 80, 132, 200} {
		for i := range text {
			chosen := []string{"port", text[i], text[(i+1)%len(text)], text[(i+2)%len(text)]}
			for _, opts := range []Options{{Width: width, Columns: chosen}, {Width: max(width, 120), More: chosen[1:]}} {
				for line := range strings.Lines(render(t, opts, rs)) {
					line = strings.TrimSuffix(line, "\n")
					if n := textWidth([]byte(line)); n > opts.Width && !strings.Contains(line, "TIME") {
						t.Errorf("%+v: %d columns: %s", opts, n, line)
					}
					if strings.ContainsAny(line, "\x1b\u202e\r\t\x00") {
						t.Errorf("%+v: %q", opts, line)
					}
				}
			}
		}
	}
}

func TestCut(t *testing.T) {
	for _, tc := range []struct {
		text string
		room int
		want string
	}{
		{"nginx.service", 13, "nginx.service"},
		{"nginx.service", 12, "nginx.servi…"},
		{"nginx.service", 1, "…"},
		{"漢字", 4, "漢字"},
		{"漢字", 3, "漢…"},
		{"漢字", 2, "…"},
		{"a\x1bb", 6, `a\x1bb`},
		{"a\x1bb", 5, "a…"}, // no half of an escape
		{"e\u0301e\u0301e\u0301", 3, "e\u0301e\u0301e\u0301"},
		{"e\u0301e\u0301e\u0301", 2, "e\u0301…"},
		{"", 1, ""},
	} {
		b, width := appendCut([]byte("> "), tc.text, tc.room)
		if got := string(b); got != "> "+tc.want || width != textWidth([]byte(tc.want)) {
			t.Errorf("%q in %d columns: %q, %d wide, want %q", tc.text, tc.room, got, width, tc.want)
		}
	}
}

func FuzzCut(f *testing.F) {
	for _, s := range hostile {
		f.Add(s, 5)
	}
	f.Fuzz(func(t *testing.T, s string, room int) {
		room = max(room, 1)
		b, width := appendCut(nil, s, room)
		if got := textWidth(b); got != width || width > room {
			t.Errorf("%q in %d columns: %q is %d wide, and told as %d", s, room, b, got, width)
		}
		whole, all := appendCut(nil, s, math.MaxInt)
		if kept, cut := bytes.CutSuffix(b, []byte("…")); all <= room != bytes.Equal(b, whole) || cut && all > room && !bytes.HasPrefix(whole, kept) {
			t.Errorf("%q in %d columns: %q of %q", s, room, b, whole)
		}
	})
}

func TestPlaceInWords(t *testing.T) {
	id := strings.Repeat("0123456789abcdef", 4)
	for want, p := range map[string]lifetime.Place{
		"":                                  {},
		"cgroup /a/b\\x0a":                  {Cgroup: "/a/b\n"},
		"unit nginx.service":                {Cgroup: "/system.slice/nginx.service", Unit: "nginx.service"},
		"unit app.scope":                    {Unit: "user@1000.service", UserUnit: "app.scope"},
		"container 0123456789ab":            {Unit: "nginx.service", Container: id, Runtime: "docker"},
		"container web":                     {Unit: "nginx.service", Container: id, ContainerName: "web"},
		"pod 0a1b2c3d":                      {Unit: "nginx.service", PodUID: "0a1b2c3d"},
		"pod web-0":                         {Container: id, ContainerName: "app", Pod: "web-0", PodUID: "0a1b2c3d"},
		"pod prod/web-0":                    {Container: id, ContainerName: "app", Pod: "web-0", PodNamespace: "prod"},
		"pod \\x1b[2J/\\u202e":              {Pod: "\u202e", PodNamespace: "\x1b[2J"},
		"container 0123456789abcdef0123456": {Container: "0123456789abcdef0123456"},
	} {
		if got := Place(&p); got != want {
			t.Errorf("%+v: %q, want %q", p, got, want)
		}
	}
}
