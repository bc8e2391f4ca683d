package terminal

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"testing"
	"time"

	"porttrace/internal/event"
	"porttrace/internal/lifetime"
	"porttrace/internal/pipeline"
)

var _ pipeline.Sink = (*Table)(nil)

// render writes records through a table.
func render(t *testing.T, opts Options, rs []*lifetime.Record) string {
	t.Helper()
	var out bytes.Buffer
	table := New(&out, opts)
	for _, r := range rs {
		if err := table.Write(r); err != nil {
			t.Fatal(err)
		}
	}
	if err := table.Flush(); err != nil {
		t.Fatal(err)
	}
	return out.String()
}

func TestTableGolden(t *testing.T) {
	for _, tt := range []struct {
		name string
		opts Options
	}{
		{"80", Options{Width: 80, States: true}},
		{"120", Options{Width: 120, States: true}},
		{"160", Options{Width: 160, States: true}},
		{"200", Options{Width: 200, States: true}},
		{"pipe", Options{}},
		{"80-color", Options{Width: 80, States: true, Color: true}},
		{"200-color", Options{Width: 200, States: true, Color: true, HeaderEvery: 20,
			Location: time.FixedZone("CET", 3600)}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			golden(t, "table-"+tt.name+".txt", []byte(render(t, tt.opts, records())))
		})
	}
}

// TestTableLines: each record that has a row has one line, whatever is in it.
func TestTableLines(t *testing.T) {
	for _, width := range []int{0, 40, 80, 99, 100, 120, 160, 200, 400} {
		for _, rows := range []bool{false, true} {
			rs := records()
			want := 0
			for _, r := range rs {
				switch r.Type {
				case lifetime.Assign, lifetime.Release, lifetime.Failure, lifetime.HeldAtStart:
					want++
				case lifetime.State:
					if rows {
						want++
					}
				}
			}
			out := render(t, Options{Width: width, States: rows}, rs)
			got := 0
			for line := range strings.Lines(out) {
				if !strings.HasPrefix(line, "TIME ") {
					got++
				}
				if strings.HasSuffix(line, " \n") {
					t.Errorf("width %d: line %q ends in a space", width, line)
				}
			}
			if got != want {
				t.Errorf("width %d, states %t: %d rows, want %d", width, rows, got, want)
			}
		}
	}
}

// TestTableWidth: with IPv4 and ordinary names no row wraps, in any of the states and
// for any of the reasons.
func TestTableWidth(t *testing.T) {
	names := []func(*lifetime.Hold){owner("curl", 1234), owner("nginx", 99999), owner("postgres", 812), nobody}
	addrs := []func(*lifetime.Hold){dst("10.0.0.5:443"), dst("10.123.45.67:5432"), path(event.Bind)}
	spent := []states{
		nil,
		{event.Established: 412 * ms, event.TimeWait: 60900 * ms},
		{event.Established: 3*time.Minute + 12*sec, event.TimeWait: 60900 * ms},
		{event.Established: sec, event.CloseWait: time.Hour},
		{event.SynSent: 131 * sec},
		{event.Established: 12 * sec, event.FinWait2: 59900 * ms},
	}
	for _, width := range []int{80, 100, 120, 160, 200} {
		var rs []*lifetime.Record
		for _, n := range names {
			for _, a := range addrs {
				for _, in := range spent {
					for _, before := range []func(*lifetime.Hold){beforeStart, func(*lifetime.Hold) {}} {
						h := hold(in, n, a, before, search(150*ms))
						rs = append(rs, &lifetime.Record{Type: lifetime.Assign, Time: epoch, Hold: h},
							&lifetime.Record{Type: lifetime.State, Time: epoch, Hold: h},
							&lifetime.Record{Type: lifetime.HeldAtStart, Time: epoch, Hold: h})
						for reason := event.Closed; reason <= event.Vanished; reason++ {
							rs = append(rs, &lifetime.Record{Type: lifetime.Release, Time: epoch, Hold: h, Reason: reason})
						}
					}
				}
			}
		}
		for _, cause := range []lifetime.Cause{lifetime.RangeExhausted, lifetime.TupleInUse, lifetime.AddressNotLocal, lifetime.RangeReserved, lifetime.SocketRange, lifetime.CauseUnknown} {
			rs = append(rs, &lifetime.Record{Type: lifetime.Failure, Time: epoch, Failure: failure("EADDRNOTAVAIL", cause, func(f *lifetime.FailureInfo) {
				f.InUse, f.Usable, f.RangeLo, f.RangeHi = 28232, 28232, 40000, 40009
			})})
		}
		for line := range strings.Lines(render(t, Options{Width: width, States: true}, rs)) {
			if n := textWidth([]byte(strings.TrimSuffix(line, "\n"))); n > width {
				t.Errorf("width %d: %d columns: %s", width, n, line)
			}
		}
	}
}

// TestTableKeepsAddresses: nothing that names a port or address is ever cut.
func TestTableKeepsAddresses(t *testing.T) {
	r := &lifetime.Record{Type: lifetime.Assign, Time: epoch, Hold: hold(nil, ipv6, owner("fifteen-letters", 4194304))}
	for _, width := range []int{1, 80, 120, 200} {
		out := render(t, Options{Width: width}, []*lifetime.Record{r})
		for _, want := range []string{"60568", "fifteen-letters/4194304", "[2001:db8:ffff:ffff:ffff:ffff:ffff:ffff]:8443"} {
			if !strings.Contains(out, want) {
				t.Errorf("width %d: %q is not in\n%s", width, want, out)
			}
		}
	}
}

// TestTableAlignment: what is wider than its column moves only what it must, and a wide
// rune counts for two.
func TestTableAlignment(t *testing.T) {
	for _, comm := range []string{"curl", "日本語", "e\u0301a", "한국어"} {
		r := &lifetime.Record{Type: lifetime.Assign, Time: epoch, Hold: hold(nil, owner(comm, 12))}
		_, line, _ := strings.Cut(render(t, Options{Width: 80}, []*lifetime.Record{r}), "\n")
		before, _, found := strings.Cut(line, "connect")
		if got := textWidth([]byte(before)); !found || got != 55 {
			t.Errorf("comm %q: WHAT begins in column %d, want 55: %q", comm, got, line)
		}
	}
}

func TestTableWidens(t *testing.T) {
	var rs []*lifetime.Record
	for range 3 {
		rs = append(rs, &lifetime.Record{Type: lifetime.Assign, Time: epoch, Hold: hold(nil, ipv6)})
	}
	rs = append(rs, &lifetime.Record{Type: lifetime.Assign, Time: epoch, Hold: hold(nil)})
	lines := strings.Split(render(t, Options{}, rs), "\n")
	// The first row does not fit, so the header comes again, and all that follow line up.
	if len(lines) != 7 || !strings.HasPrefix(lines[2], "TIME") {
		t.Fatalf("want header, row, header, 3 rows:\n%s", strings.Join(lines, "\n"))
	}
	want := strings.Index(lines[2], "WHAT")
	for _, line := range lines[3:6] {
		if got := strings.Index(line, "connect"); got != want {
			t.Errorf("WHAT begins in column %d, want %d: %q", got, want, line)
		}
	}
}

func TestTableRepeatsHeader(t *testing.T) {
	var rs []*lifetime.Record
	for range 25 {
		rs = append(rs, &lifetime.Record{Type: lifetime.Assign, Time: epoch, Hold: hold(nil)})
	}
	for every, want := range map[int]int{0: 1, 10: 3, 25: 1, 24: 2} {
		if got := strings.Count(render(t, Options{Width: 80, HeaderEvery: every}, rs), "TIME "); got != want {
			t.Errorf("HeaderEvery %d: %d headers for 25 rows, want %d", every, got, want)
		}
	}
}

type failingWriter struct{ err error }

func (w failingWriter) Write([]byte) (int, error) { return 0, w.err }

func TestTableErrors(t *testing.T) {
	table := New(failingWriter{io.ErrClosedPipe}, Options{})
	if err := table.Flush(); err != nil {
		t.Errorf("flushing nothing: %v", err)
	}
	r := &lifetime.Record{Type: lifetime.Assign, Time: epoch, Hold: hold(nil)}
	for i := 0; ; i++ {
		err := table.Write(r)
		if err == nil && i < 10_000 {
			continue
		}
		if !errors.Is(err, io.ErrClosedPipe) || err.Error() != "writing the table: io: read/write on closed pipe" {
			t.Errorf("after %d rows: %v", i, err)
		}
		break
	}
	for _, r := range []*lifetime.Record{{Type: lifetime.Assign}, {Type: lifetime.Failure}, {}} {
		if err := table.Write(r); err != nil || table.Flush() != nil {
			t.Errorf("a record without content: %v", err)
		}
	}
}

func TestTableDoesNotAllocate(t *testing.T) {
	table := New(io.Discard, Options{Width: 200, Color: true, States: true})
	rs := records()
	if n := testing.AllocsPerRun(10, func() {
		for _, r := range rs {
			_ = table.Write(r)
		}
		_ = table.Flush()
	}); n > 0 {
		t.Errorf("%v allocations for %d records, want none", n, len(rs))
	}
}

func BenchmarkTable(b *testing.B) {
	rs := slices.DeleteFunc(records(), func(r *lifetime.Record) bool { return r.Hold == nil && r.Failure == nil })
	for _, width := range []int{80, 200} {
		b.Run(fmt.Sprint(width), func(b *testing.B) {
			b.ReportAllocs()
			table := New(io.Discard, Options{Width: width, Color: true, States: true})
			i := 0
			for b.Loop() {
				_ = table.Write(rs[i])
				i = (i + 1) % len(rs)
			}
			b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "rows/s")
		})
	}
}
