package report

import (
	"bytes"
	"encoding/json"
	"math"
	"net/netip"
	"regexp"
	"slices"
	"testing"
	"time"
	"unicode"

	"porttrace/internal/event"
	"porttrace/internal/filter"
	"porttrace/internal/flagvalue"
	"porttrace/internal/ktime"
	"porttrace/internal/lifetime"
)

var sgr = regexp.MustCompile(`\x1b\[[0-9;]*m`)

// ends are what a recording's holds come to.
func ends(records []*lifetime.Record) (out []*lifetime.Record) {
	for _, r := range records {
		if r.Type == lifetime.Release || r.Type == lifetime.HeldAtEnd {
			out = append(out, r)
		}
	}
	return out
}

// exactly is the nearest-rank percentile.
func exactly(sorted []time.Duration, p float64) time.Duration {
	return sorted[int(math.Ceil(p/100*float64(len(sorted))))-1]
}

func wantSpread(t *testing.T, what string, s Spread, values []time.Duration) {
	t.Helper()
	slices.Sort(values)
	if int(s.Count) != len(values) {
		t.Errorf("%s: %d counted, want %d", what, s.Count, len(values))
		return
	}
	if len(values) == 0 {
		return
	}
	if s.Max != values[len(values)-1] {
		t.Errorf("%s: max %v, want %v", what, s.Max, values[len(values)-1])
	}
	for p, got := range map[float64]time.Duration{50: s.P50, 90: s.P90, 99: s.P99} {
		want := exactly(values, p)
		if off := math.Abs(float64(got - want)); off > 0.01*float64(want) {
			t.Errorf("%s: p%g of %d is %v, want %v within 1 %%", what, p, len(values), got, want)
		}
	}
}

func TestAgainstExact(t *testing.T) {
	for _, n := range []int{1, 2, 3, 16, 130, 997, 20_011} {
		s := newStorm(uint64(n), 1+n/10, 50)
		records := s.records(n)
		sum := reportOn(t, Options{}, encode(records))
		perState := map[event.State][]time.Duration{}
		var whole []time.Duration
		var all, timeWait float64
		for _, r := range ends(records) {
			whole = append(whole, r.Hold.HeldFor())
			all += float64(r.Hold.HeldFor())
			timeWait += float64(r.Hold.States[event.TimeWait])
			for state, d := range r.Hold.States {
				if d > 0 {
					perState[event.State(state)] = append(perState[event.State(state)], d)
				}
			}
		}
		wantSpread(t, "all of it", sum.Lifetimes, whole)
		if len(sum.States) != len(perState) {
			t.Errorf("%d states, want %d", len(sum.States), len(perState))
		}
		shares := 0.0
		for _, st := range sum.States {
			wantSpread(t, st.State.String(), st.Spread, perState[st.State])
			shares += st.Share
		}
		if all > 0 && math.Abs(shares-1) > 1e-9 {
			t.Errorf("the states' shares add up to %v", shares)
		}
		if float64(sum.All.Held) != all || float64(sum.All.TimeWait) != timeWait {
			t.Errorf("port time %v, %v in TIME_WAIT, want %v, %v", sum.All.Held, sum.All.TimeWait, all, timeWait)
		}
		if end := records[len(records)-1].End; sum.Counts.Assigned != end.Assigned || sum.Counts.Released != end.Released || sum.Counts.Held != end.Held {
			t.Errorf("%+v, want %+v", sum.Counts, end)
		}
		if !sum.Complete {
			t.Errorf("not complete: %q", sum.Recordings[0].Shortcomings())
		}
		wantConserved(t, sum)
	}
}

// wantConserved checks what holds for all reports.
func wantConserved(t *testing.T, s *Summary) {
	t.Helper()
	if c := s.Counts; c.Held != c.Before+c.Assigned-c.Released {
		t.Errorf("%+v is not conserved", c)
	}
	wantSum(t, "processes", s, &s.Processes)
	wantSum(t, "programs", s, &s.Programs)
	wantSum(t, "destinations", s, &s.Destinations)
	wantSum(t, "paths", s, &s.Ways)
	ended := uint64(0)
	for _, n := range s.Reasons {
		ended += n
	}
	if ended != s.Counts.Released || s.All.Holds != s.Counts.Lifetimes() {
		t.Errorf("%d ended, %d holds: %+v", ended, s.All.Holds, s.Counts)
	}
	r := &s.Reuse
	if n := r.SameProcess.Count + r.OtherProcess.Count + r.UnknownOwner.Count + r.Shared + r.First + r.NotWatched; n > s.Counts.Assigned {
		t.Errorf("%d assigns in reuse, of %d", n, s.Counts.Assigned)
	}
}

func wantSum[K comparable](t *testing.T, what string, s *Summary, table *Table[K]) {
	t.Helper()
	sum := table.Others.Tally
	for _, row := range table.Rows {
		sum.add(row.Tally)
	}
	if sum.Holds != s.All.Holds || sum.Failures != s.All.Failures || math.Abs(float64(sum.Held-s.All.Held)) > 1e-9*float64(s.All.Held) {
		t.Errorf("%s add up to %+v, want %+v", what, sum, s.All)
	}
}

// A report from since until is that of a trace that ran just then, computed here hold by
// hold.
func TestWindow(t *testing.T) {
	s := newStorm(5, 97, 13)
	s.lasting = true
	records := s.records(4001)
	data := encode(records)
	span := int64(s.now - epoch)
	for range 50 {
		since := epoch + ktime.Wall(s.rnd.Int64N(span))
		until := since + 1 + ktime.Wall(s.rnd.Int64N(span/3))
		if s.rnd.IntN(5) == 0 {
			since = records[1+s.rnd.IntN(4000)].Time // on an edge
		}
		got := reportOn(t, Options{Since: since, Until: until}, data)
		var want Counts
		var held time.Duration
		in := map[event.State]time.Duration{}
		for _, r := range ends(records) {
			h := r.Hold
			if h.Assigned >= until || r.Time < since {
				continue
			}
			if h.Assigned < since {
				want.Before++
			} else {
				want.Assigned++
			}
			if r.Type == lifetime.Release && r.Time < until {
				want.Released++
			}
			at := h.Assigned
			for state := range h.States {
				from, to := max(at, since), min(at+ktime.Wall(h.States[state]), until)
				if at += ktime.Wall(h.States[state]); to > from {
					in[event.State(state)] += to.Sub(from)
					held += to.Sub(from)
				}
			}
		}
		want.Held = want.Before + want.Assigned - want.Released
		if got.Counts != want || time.Duration(got.All.Held) != held {
			t.Fatalf("from %v until %v: %+v, %v, want %+v, %v", since.Time(), until.Time(), got.Counts, time.Duration(got.All.Held), want, held)
		}
		for _, st := range got.States {
			if share := float64(in[st.State]) / float64(held); math.Abs(share-st.Share) > 1e-9 {
				t.Errorf("%v has a share of %v, want %v", st.State, st.Share, share)
			}
		}
		wantConserved(t, got)
	}
}

func TestFilters(t *testing.T) {
	s := newStorm(6, 61, 40)
	records := s.records(3001)
	data := encode(records)
	to := flagvalue.Destination{Prefix: netip.MustParsePrefix("10.1.0.0/20"), Port: 443}
	var ports flagvalue.Ports
	if err := ports.Set("32768-35000,40001"); err != nil {
		t.Fatal(err)
	}
	for name, tc := range map[string]struct {
		opts Options
		want func(h *lifetime.Hold) bool
	}{
		"pid":      {Options{Filter: filter.Filter{PIDs: []uint32{3, 5}}}, func(h *lifetime.Hold) bool { return h.Owner.PID == 3 || h.Owner.PID == 5 }},
		"comm":     {Options{Filter: filter.Filter{Comms: []string{"curl"}}}, func(h *lifetime.Hold) bool { return h.Owner.Comm == "curl" }},
		"uid":      {Options{Filter: filter.Filter{UIDs: []uint32{1}}}, func(h *lifetime.Hold) bool { return false }},
		"dst":      {Options{Filter: filter.Filter{Dst: []flagvalue.Destination{to}}}, func(h *lifetime.Hold) bool { return to.Contains(h.Dst) }},
		"src":      {Options{Filter: filter.Filter{Src: []netip.Prefix{netip.MustParsePrefix("10.0.12.0/24")}}}, func(h *lifetime.Hold) bool { return true }},
		"port":     {Options{Ports: ports}, func(h *lifetime.Hold) bool { return ports.Contains(h.Port) }},
		"netns":    {Options{Scope: Scope{NetNS: 4026531841}}, func(h *lifetime.Hold) bool { return false }},
		"tcp":      {Options{Scope: Scope{NoUDP: true}}, func(h *lifetime.Hold) bool { return true }},
		"udp":      {Options{Scope: Scope{NoTCP: true}}, func(h *lifetime.Hold) bool { return false }},
		"ipv6":     {Options{Scope: Scope{NoIPv4: true}}, func(h *lifetime.Hold) bool { return false }},
		"ipv4":     {Options{Scope: Scope{NoIPv6: true}}, func(h *lifetime.Hold) bool { return true }},
		"port pid": {Options{Ports: ports, Filter: filter.Filter{PIDs: []uint32{7}}}, func(h *lifetime.Hold) bool { return ports.Contains(h.Port) && h.Owner.PID == 7 }},
	} {
		t.Run(name, func(t *testing.T) {
			var holds, held uint64
			var time float64
			for _, r := range ends(records) {
				if tc.want(r.Hold) {
					holds++
					time += float64(r.Hold.HeldFor())
					if r.Type == lifetime.HeldAtEnd {
						held++
					}
				}
			}
			got := reportOn(t, tc.opts, data)
			if got.Counts.Lifetimes() != holds || got.Counts.Held != held || float64(got.All.Held) != time {
				t.Errorf("%+v, %v, want %d holds, %d held, %v", got.Counts, got.All.Held, holds, held, time)
			}
			wantConserved(t, got)
			chapters := uint64(0)
			for i := range got.Ports {
				chapters += uint64(len(got.Ports[i].Chapters))
			}
			if want := got.Counts.Lifetimes(); got.PortsNamed && chapters != want {
				t.Errorf("the histories have %d holds, want %d", chapters, want)
			}
		})
	}
}

// What a traced program calls itself must not act on a terminal, and is exact in JSON.
func TestHostileNames(t *testing.T) {
	const hostile = "\x1b[2J\u202e\xff\n<b>"
	tp := newTape(hostile, 0, func(s *lifetime.StartInfo) { s.Filter, s.Kernel, s.Hooks = hostile, hostile, hostile })
	h := tp.hold(40001, hostile, 7, "10.0.0.1:80")
	h.Owner.Place = lifetime.Intern(lifetime.Place{Container: hostile, Cgroup: hostile})
	tp.release(tp.assign(h), event.Closed, nil)
	tp.fail(hostile, hostile, 8)
	tp.lose(3, hostile)
	var ports flagvalue.Ports
	if err := ports.Set("40001"); err != nil {
		t.Fatal(err)
	}
	s := reportOn(t, Options{Ports: ports}, tp.close())
	s.Findings = found()
	s.Findings[0].Title, s.Findings[0].Remedy, s.Findings[0].Host = hostile, hostile, hostile
	s.Recordings[0].Torn = []string{hostile}
	s.Recordings = append(s.Recordings, s.Recordings[0])
	var text, object bytes.Buffer
	if err := s.WriteText(&text, TextOptions{Narrowed: hostile}); err != nil {
		t.Fatal(err)
	}
	for _, r := range text.String() {
		if r != '\n' && (!unicode.IsPrint(r) || unicode.Is(unicode.Cf, r)) {
			t.Fatalf("the text has %U:\n%s", r, &text)
		}
	}
	if err := s.WriteJSON(&object); err != nil {
		t.Fatal(err)
	}
	if !json.Valid(object.Bytes()) {
		t.Errorf("no JSON:\n%s", &object)
	}
	if exact := `"\u001b[2J` + "\u202e" + `\udcff\n<b>"`; bytes.Count(object.Bytes(), []byte(exact)) < 10 {
		t.Errorf("the JSON lacks %s:\n%s", exact, &object)
	}
}
