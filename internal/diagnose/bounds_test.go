package diagnose

import (
	"fmt"
	"net/netip"
	"runtime"
	"strconv"
	"testing"
	"time"

	"porttrace/internal/event"
	"porttrace/internal/ktime"
	"porttrace/internal/lifetime"
)

// What has been leaves nothing: a million short-lived processes of different names, in
// containers of their own, to different destinations, some of them in vain.
func TestMemoryIsBounded(t *testing.T) {
	e := NewLive()
	h := connectTo(server, "")
	f := lifetime.FailureInfo{NetNS: home, Proto: event.TCP, Path: event.Connect, Src: here, Cause: lifetime.TupleInUse, InUse: -1, Usable: -1}
	before := heap()
	const processes = 300_000 // some times what is remembered
	for i := range uint64(processes) {
		now := begin + ktime.Wall(i)*ktime.Wall(time.Millisecond)
		h.ID, h.Port, h.Dst = i+1, uint16(i), manyAddrs(i)
		h.Owner = lifetime.Owner{PID: uint32(i) + 1, Comm: "job-" + strconv.FormatUint(i, 10), Place: lifetime.Intern(lifetime.Place{Cgroup: "/containers/" + strconv.FormatUint(i, 10)})}
		if i%10 == 0 {
			h.Path = event.Explicit
		} else {
			h.Path = event.Connect
		}
		e.Write(&lifetime.Record{Type: lifetime.Assign, Time: now, Hold: &h})
		if i%3 == 0 {
			f.Owner, f.Dst = h.Owner, h.Dst
			e.Write(&lifetime.Record{Type: lifetime.Failure, Time: now, Failure: &f})
		}
		e.Write(&lifetime.Record{Type: lifetime.Release, Time: now, Hold: &h, Reason: event.Closed})
		if i%100_000 == 0 {
			e.Judge(now)
			e.Fresh()
		}
	}
	if n := len(e.holds); n != 0 {
		t.Errorf("%d holds are left", n)
	}
	for what, n := range map[string]int{"parties": len(e.parties), "places": len(e.places), "fixed ports": len(e.fixed), "findings": len(e.found)} {
		t.Logf("%d %s", n, what)
		if n > 2*maxPlaces+2*maxFixed { // which have two parties each at the most, here
			t.Errorf("%d %s are remembered", n, what)
		}
	}
	if grown := int64(heap()) - int64(before); grown > 48<<20 {
		t.Errorf("it takes %d MiB", grown>>20)
	} else {
		t.Logf("%d MiB", grown>>20)
	}
	runtime.KeepAlive(e)
}

func manyAddrs(i uint64) netip.AddrPort {
	return netip.AddrPortFrom(netip.AddrFrom4([4]byte{10, byte(i >> 16), byte(i >> 8), byte(i)}), 443)
}

func heap() uint64 {
	for range 3 { // what was interned goes after it was found without a user
		runtime.GC()
	}
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return m.HeapAlloc
}

// How long a judgement takes with a quarter of a million holds in ten pools that are full.
func BenchmarkJudge(b *testing.B) {
	e, holds := crowded(250_000, true)
	now := begin + ktime.Wall(time.Minute)
	for b.Loop() {
		now += ktime.Wall(interval)
		for i := range holds {
			e.See(&holds[i])
		}
		e.Judge(now)
	}
	b.ReportMetric(float64(b.Elapsed().Milliseconds())/float64(b.N), "ms/judgement")
}

// How long a record takes, while so many holds live on: each op is an assign and a release.
func BenchmarkWrite(b *testing.B) {
	for _, live := range []int{100, 250_000} {
		b.Run(fmt.Sprintf("live=%d", live), func(b *testing.B) {
			e, holds := crowded(live, true)
			b.ReportAllocs()
			i, id := 0, uint64(len(holds))
			for b.Loop() {
				h := &holds[i%len(holds)]
				e.Write(&lifetime.Record{Type: lifetime.Release, Time: begin, Hold: h, Reason: event.Closed})
				id++
				h.ID = id
				e.Write(&lifetime.Record{Type: lifetime.Assign, Time: begin, Hold: h})
				i++
			}
			b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(2*b.N), "ns/record")
		})
	}
}

// crowded is an engine with so many holds of a hundred parties to ten destinations.
func crowded(live int, full bool) (*Engine, []lifetime.Hold) {
	e := NewLive()
	e.Write(&lifetime.Record{Type: lifetime.Start, Time: begin, Start: &lifetime.StartInfo{
		Pools: []lifetime.Range{{NetNS: home, Lo: 32768, Hi: 60999, Usable: usual}},
	}})
	holds := make([]lifetime.Hold, live)
	for i := range holds {
		h := &holds[i]
		*h = connectTo(manyAddrs(uint64(i%10)), fmt.Sprint("job-", i%100))
		h.ID, h.Port, h.Assigned = uint64(i)+1, 32768+uint16(i/10%usual), begin
		h.State = event.State(i % int(event.States))
		h.States[h.State] = time.Duration(i)
		e.Write(&lifetime.Record{Type: lifetime.Assign, Time: begin, Hold: h})
	}
	for i := range uint64(10) {
		if full {
			e.Write(&lifetime.Record{Type: lifetime.Pool, Time: begin, Pool: &lifetime.PoolInfo{
				NetNS: home, Proto: event.TCP, Src: here, Dst: manyAddrs(i), InUse: usual * 9 / 10, Usable: usual, MeanHeld: -1, Exhausts: -1,
			}})
		}
	}
	return e, holds
}
