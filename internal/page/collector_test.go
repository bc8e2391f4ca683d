package page

import (
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"net/netip"
	"os"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"porttrace/internal/event"
	"porttrace/internal/ktime"
	"porttrace/internal/lifetime"
	"porttrace/internal/pipeline"
	recorded "porttrace/internal/recording"
)

func modelOf(t *testing.T, c *Collector) *model {
	t.Helper()
	html := render(t, c)
	_, data, ok := strings.Cut(html, `<script type="application/json" id="data">`)
	data, _, closed := strings.Cut(data, "</script>")
	if !ok || !closed {
		t.Fatal("the page has no data")
	}
	if strings.ContainsAny(data, "<>&\u2028\u2029") {
		t.Error("the data could be taken for markup")
	}
	m := &model{}
	if err := json.Unmarshal([]byte(data), m); err != nil {
		t.Fatal(err)
	}
	return m
}

type interval struct{ from, to ktime.Wall }

// What is charted is what was: held holds are counted again, from when each began and ended,
// at the end of each bin and at its fullest.
func TestPoolIsChartedAsItWas(t *testing.T) {
	for _, length := range []time.Duration{90 * time.Millisecond, 7 * time.Second, 5 * time.Hour} {
		t.Run(length.String(), func(t *testing.T) {
			c := New(Options{})
			w := newWorkload(c)
			w.free[queried] = newFree()
			var all []interval
			const n = 997
			for i := range n {
				w.advance(began + ktime.Wall(length)*ktime.Wall(i)/n)
				held := time.Duration(1 + w.random.Int64N(int64(length)/10))
				all = append(all, interval{w.now, w.now + ktime.Wall(held)})
				w.hold(lifetime.Hold{Proto: event.TCP, Port: w.pick(queried, 0), Src: source, Dst: database, Path: event.Connect},
					queried, event.Closed, map[event.State]time.Duration{event.Established: held / 2, event.TimeWait: held - held/2})
			}
			w.finish()
			m := modelOf(t, c)
			if len(m.Pools) != 1 || m.Pools[0].Holds != n || m.Totals.Assigned != n {
				t.Fatalf("%d pools, %d assigned, want one pool of %d holds", len(m.Pools), m.Totals.Assigned, n)
			}
			compareBins(t, c, &m.Pools[0], all, w.now)
		})
	}
}

func compareBins(t *testing.T, c *Collector, p *poolModel, all []interval, last ktime.Wall) {
	t.Helper()
	if c.time.bins > maxBins || c.time.bins < 80 {
		t.Fatalf("%d bins", c.time.bins)
	}
	for bin := range c.time.bins {
		begin, end := c.time.begin(bin), min(c.time.begin(bin+1)-1, last)
		most := heldAt(all, begin)
		for _, h := range all {
			if h.from >= begin && h.from <= end {
				most = max(most, heldAt(all, h.from))
			}
		}
		// A bin begins with what the one before it ended with.
		if got := *p.Held[bin]; got != most && got != max(most, heldAt(all, begin-1)) {
			t.Errorf("bin %d: most held %d, want %d", bin, got, most)
		}
		if got, want := p.States[event.Established][bin]+p.States[event.TimeWait][bin], heldAt(all, end); got != want {
			t.Errorf("bin %d: %d held at its end by states, want %d", bin, got, want)
		}
	}
}

func heldAt(all []interval, at ktime.Wall) (n int) {
	for _, h := range all {
		if h.from <= at && at < h.to {
			n++
		}
	}
	return n
}

// A page is made of a recording as it was written.
func TestPageOfARecording(t *testing.T) {
	file, err := os.Open("../recording/testdata/example.jsonl")
	if err != nil {
		t.Fatal(err)
	}
	defer file.Close()
	c := New(Options{})
	if err := pipeline.Run(t.Context(), recorded.NewReader(file), c); err != nil {
		t.Fatal(err)
	}
	m := modelOf(t, c)
	if len(m.Recordings) != 1 || !m.Recordings[0].Ended || m.Totals.Assigned == 0 || len(m.Maps) == 0 || m.Holds.Count == 0 {
		t.Errorf("recordings %+v, totals %+v, %d maps, %d holds", m.Recordings, m.Totals, len(m.Maps), m.Holds.Count)
	}
	if end := c.recordings[0].end; m.Totals.Assigned != int(end.Assigned) || m.Totals.Released != int(end.Released) || m.Totals.Held != int(end.Held) {
		t.Errorf("totals %+v, the recording says %+v", m.Totals, *end)
	}
}

// A recording says itself how complete it is, and so does the page.
func TestCompleteness(t *testing.T) {
	start := func(part int) lifetime.Record {
		return lifetime.Record{Type: lifetime.Start, Start: &lifetime.StartInfo{Host: "h", BootID: "b", Part: part, Filter: "--port 7"}}
	}
	end := lifetime.Record{Type: lifetime.End, End: &lifetime.EndInfo{Complete: true}}
	lost := lifetime.Record{Type: lifetime.Lost, Lost: &lifetime.LostInfo{Events: 23, Reconciled: 7}}
	for name, test := range map[string]struct {
		records []lifetime.Record
		torn    bool
		want    recordingModel
	}{
		"complete":       {[]lifetime.Record{start(0), end}, false, recordingModel{Parts: 1, Ended: true, Complete: true}},
		"parts":          {[]lifetime.Record{start(1), start(2), start(3), end}, false, recordingModel{Parts: 3, Ended: true, Complete: true}},
		"lost":           {[]lifetime.Record{start(0), lost, end}, false, recordingModel{Parts: 1, Ended: true, Lost: 23, Reconciled: 7}},
		"no end":         {[]lifetime.Record{start(0)}, false, recordingModel{Parts: 1}},
		"torn":           {[]lifetime.Record{start(0), end}, true, recordingModel{Parts: 1, Ended: true, Torn: true}},
		"no first parts": {[]lifetime.Record{start(3), end}, false, recordingModel{Parts: 1, Ended: true, Absent: 2}},
		"a part between": {[]lifetime.Record{start(1), start(4), end}, false, recordingModel{Parts: 2, Ended: true, Absent: 2}},
	} {
		t.Run(name, func(t *testing.T) {
			c := New(Options{})
			for i, r := range test.records {
				r.Time = began + ktime.Wall(i)
				if err := c.Write(&r); err != nil {
					t.Fatal(err)
				}
			}
			if test.torn {
				c.Torn()
			}
			m := modelOf(t, c)
			if len(m.Recordings) != 1 {
				t.Fatalf("%d recordings", len(m.Recordings))
			}
			got := m.Recordings[0]
			want := test.want
			want.Host, want.Filter, want.From, want.To = "h", "--port 7", got.From, got.To
			want.Steps = []stepModel{}
			if !reflect.DeepEqual(got, want) {
				t.Errorf("got %+v\nwant %+v", got, want)
			}
		})
	}
}

// That the clock was set is said, and moves nothing: its times are steady already.
func TestAClockThatWasSetIsSaid(t *testing.T) {
	c := New(Options{})
	for _, r := range []lifetime.Record{
		{Type: lifetime.Start, Time: began, Start: &lifetime.StartInfo{Host: "h", BootID: "b"}},
		{Type: lifetime.Clock, Time: began + 5e9, Clock: &lifetime.ClockInfo{From: began + 5e9 + 3600e9}},
		{Type: lifetime.End, Time: began + 7e9, End: &lifetime.EndInfo{Complete: true}},
	} {
		if err := c.Write(&r); err != nil {
			t.Fatal(err)
		}
	}
	m := modelOf(t, c).Recordings[0]
	if len(m.Steps) != 1 || m.Steps[0].By != -3600e3 || m.Steps[0].At != m.From+5e3 || m.To != m.From+7e3 {
		t.Errorf("told %+v", m)
	}
}

// Two hosts number their holds and namespaces alike; the later recording is read first.
func TestHostsAreToldApart(t *testing.T) {
	c := New(Options{})
	for i, host := range []string{"b", "a"} {
		at := began - ktime.Wall(time.Duration(i)*time.Hour)
		hold := lifetime.Hold{ID: 1, NetNS: namespace, Proto: event.TCP, Port: 40009, Src: source, Dst: database, Path: event.Connect,
			Owner: lifetime.Owner{PID: 1, Comm: "x"}}
		for _, r := range []lifetime.Record{
			{Type: lifetime.Start, Time: at, Start: &lifetime.StartInfo{Host: host}},
			{Type: lifetime.Assign, Time: at + 1, Hold: &hold},
		} {
			if err := c.Write(&r); err != nil {
				t.Fatal(err)
			}
		}
	}
	m := modelOf(t, c)
	if len(m.Maps) != 2 || m.Maps[0].Host != "a" || m.Maps[1].Host != "b" {
		t.Errorf("%d maps", len(m.Maps))
	}
	if len(m.Pools) != 2 || m.Pools[0].Most != 1 || m.Pools[1].Most != 1 {
		t.Errorf("pools: %+v", m.Pools)
	}
	processes := m.Tables["owners"]
	if host := slices.IndexFunc(processes.Columns, func(c column) bool { return c.Name == "host" }); host < 0 || len(processes.Rows) != 2 {
		t.Errorf("processes: %+v", processes)
	}
	for host, from := range map[string]ktime.Wall{"a": began - ktime.Wall(time.Hour) + 1, "b": began + 1} {
		row := c.spaces[spaceID{host, namespace, event.TCP}].rows.get(40009)
		if at := c.time.bin(from); row.cells[at].cover() == 0 || row.cells[at].state() != unknown {
			t.Errorf("host %s: the hold is not on the map, or in state %v", host, row.cells[at].state())
		}
	}
}

// However many pools, processes and destinations there are, memory and sums stay.
func TestManyOfEverything(t *testing.T) {
	c := New(Options{Top: 10})
	w := newWorkload(c)
	const n = 200_003
	for i := range n {
		w.advance(w.now + ktime.Wall(time.Millisecond))
		addr := netip.AddrFrom4([4]byte{10, byte(i >> 16), byte(i >> 8), byte(i)})
		w.hold(lifetime.Hold{Proto: event.TCP, Port: uint16(rangeLo + i%8), Src: source, Dst: netip.AddrPortFrom(addr, 80), Path: event.Connect,
			Owner: lifetime.Owner{PID: uint32(i + 1), Comm: fmt.Sprint("c", i)}}, swept, event.Closed,
			map[event.State]time.Duration{event.Established: time.Microsecond})
	}
	w.advance(w.now + 1_000_000)
	w.finish()
	if got := len(c.occupancy.pools); got > poolsKept {
		t.Errorf("%d pools are kept", got)
	}
	if got := len(c.tables.destinations); got > destinationsKept {
		t.Errorf("%d destinations are kept", got)
	}
	sum := c.tables.otherDst
	for _, d := range c.tables.destinations {
		sum.plus(d)
	}
	if sum.holds != n || sum.time != n*time.Microsecond {
		t.Errorf("destinations have %d holds of %v together, want %d of %v", sum.holds, sum.time, n, n*time.Microsecond)
	}
	if got := c.tables.others.holds; got != n-partiesKept {
		t.Errorf("the processes beyond have %d holds, want %d", got, n-partiesKept)
	}
	m := modelOf(t, c)
	if len(m.Pools) != poolsShown || m.PoolsMore != n-poolsShown {
		t.Errorf("%d pools and %d more, want %d in all", len(m.Pools), m.PoolsMore, n)
	}
	if len(m.Tables["destinations"].Rows) != 10 || m.Tables["destinations"].More != n-10 {
		t.Errorf("%d more destinations, want %d", m.Tables["destinations"].More, n-10)
	}
}

// Of each port the latest holds stay.
func TestLatestHoldsStay(t *testing.T) {
	rows := []*portRow{{}, {}, {}}
	each := func(f func(*portRow)) {
		for _, r := range rows {
			f(r)
		}
	}
	m := newMemory()
	for i := range 200 {
		for _, r := range rows {
			m.add(r, brief{pid: uint32(i)})
		}
	}
	m.kept += holdsKept // as if other ports had so many
	m.trim(each)
	for _, r := range rows {
		want := uint32(200 - m.ofPort)
		for _, b := range r.recent.inOrder {
			if b.pid != want {
				t.Fatalf("hold %d, want %d", b.pid, want)
			}
			want++
		}
		if want != 200 || !m.dropped || m.ofPort >= holdsOfPort {
			t.Errorf("%d of each port, the last is %d, dropped: %v", m.ofPort, want-1, m.dropped)
		}
	}
}

func TestQuantilesAreClose(t *testing.T) {
	random := rand.New(rand.NewPCG(23, 5))
	var s spread
	var all []time.Duration
	for range 9973 {
		d := time.Duration(1) << random.IntN(40)
		d += time.Duration(random.Int64N(int64(d)))
		all = append(all, d)
		s.add(d)
	}
	slices.Sort(all)
	for _, q := range []float64{0.5, 0.9, 0.99, 1} {
		want := all[int(q*float64(len(all))+0.5)-1]
		if got := s.quantile(q); got < want || float64(got) > 1.04*float64(want) {
			t.Errorf("quantile %v is %v, want %v", q, got, want)
		}
	}
}
