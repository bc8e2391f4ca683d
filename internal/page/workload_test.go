package page

import (
	"container/heap"
	"math/rand/v2"
	"net/netip"
	"strings"
	"time"

	"porttrace/internal/event"
	"porttrace/internal/ktime"
	"porttrace/internal/lifetime"
	"porttrace/internal/pipeline"
)

const (
	rangeLo, rangeHi = 32768, 60999
	namespace        = 4026531840
)

// The targets, each with a pool of its own; swept takes its ports in order.
const (
	queried = iota
	leaked
	resolved
	swept
)

// began is when generated recordings begin.
var began = ktime.WallOf(time.Date(2026, 11, 26, 10, 0, 0, 0, time.UTC))

// workload plays a host: holds are assigned and released in order of time, as a recording
// has them.
type workload struct {
	sink    pipeline.Sink
	random  *rand.Rand
	now     ktime.Wall
	id      uint64
	free    [swept]free // by target
	pending endings
	made    int
}

type ending struct {
	at     ktime.Wall
	hold   *lifetime.Hold
	reason event.Reason
	target int
}

type endings []ending

func (e endings) Len() int           { return len(e) }
func (e endings) Less(i, j int) bool { return e[i].at < e[j].at }
func (e endings) Swap(i, j int)      { e[i], e[j] = e[j], e[i] }
func (e *endings) Push(x any)        { *e = append(*e, x.(ending)) }
func (e *endings) Pop() any {
	last := (*e)[len(*e)-1]
	*e = (*e)[:len(*e)-1]
	return last
}

func newWorkload(sink pipeline.Sink) *workload {
	w := &workload{sink: sink, random: rand.New(rand.NewPCG(5, 23)), now: began}
	for target := range w.free {
		w.free[target] = newFree()
	}
	w.write(lifetime.Record{Type: lifetime.Start, Start: &lifetime.StartInfo{
		Schema: 1, Version: "1.0", Host: "db-proxy-3", BootID: "b", Kernel: "6.18.0", Hooks: "stable",
		Pools: []lifetime.Range{{NetNS: namespace, Lo: rangeLo, Hi: rangeHi, Usable: rangeHi - rangeLo + 1}},
	}})
	return w
}

func (w *workload) write(r lifetime.Record) {
	r.Time = w.now
	if err := w.sink.Write(&r); err != nil {
		panic(err)
	}
}

// advance releases what is due and goes to an instant.
func (w *workload) advance(to ktime.Wall) {
	for len(w.pending) > 0 && w.pending[0].at <= to {
		e := heap.Pop(&w.pending).(ending)
		w.now = e.at
		w.giveBack(e.target, e.hold.Port)
		w.write(lifetime.Record{Type: lifetime.Release, Hold: e.hold, Reason: e.reason})
	}
	w.now = to
}

// hold assigns a port. states are how long it will be in each; none: it never ends.
func (w *workload) hold(h lifetime.Hold, target int, reason event.Reason, states map[event.State]time.Duration) {
	w.id++
	w.made++
	h.ID, h.NetNS, h.Assigned, h.Search = w.id, namespace, w.now, -1
	h.States = [event.States]time.Duration{}
	w.write(lifetime.Record{Type: lifetime.Assign, Hold: &h})
	at := w.now
	for s, d := range states {
		h.States[s] = d
		at += ktime.Wall(d)
		h.State = max(h.State, s)
	}
	if len(states) == 0 {
		at = 1<<63 - 1
	}
	heap.Push(&w.pending, ending{at, &h, reason, target})
}

// free are ports that a destination's pool has, in no order, by parity.
type free [2][]uint16

func newFree() (f free) {
	for port := rangeLo; port <= rangeHi; port++ {
		f[port%2] = append(f[port%2], uint16(port))
	}
	return f
}

// pick takes a port as connect() does: any even one, or else an odd one. Zero: there is none.
func (w *workload) pick(target, parity int) uint16 {
	for _, p := range [...]int{parity, 1 - parity} {
		if ports := w.free[target][p]; len(ports) > 0 {
			i, last := w.random.IntN(len(ports)), len(ports)-1
			port := ports[i]
			ports[i] = ports[last]
			w.free[target][p] = ports[:last]
			return port
		}
	}
	return 0
}

func (w *workload) giveBack(target int, port uint16) {
	if target != swept {
		w.free[target][port%2] = append(w.free[target][port%2], port)
	}
}

// finish tells what is still held, and ends the recording.
func (w *workload) finish() {
	held := 0
	for _, e := range w.pending {
		h := *e.hold
		h.States = soFar(h.States, w.now.Sub(h.Assigned))
		w.write(lifetime.Record{Type: lifetime.HeldAtEnd, Hold: &h})
		held++
	}
	w.write(lifetime.Record{Type: lifetime.End, End: &lifetime.EndInfo{
		Assigned: uint64(w.made), Released: uint64(w.made - held), Held: uint64(held), Complete: true,
	}})
}

// soFar cuts states at a length. Without states, it is ESTABLISHED.
func soFar(states [event.States]time.Duration, length time.Duration) (out [event.States]time.Duration) {
	if states == out {
		states[event.Established] = length
	}
	for s, d := range states {
		out[s] = min(d, length)
		length -= out[s]
	}
	return out
}

var (
	source   = netip.MustParseAddr("10.0.0.1")
	database = netip.MustParseAddrPort("10.0.0.5:5432")
)

// hostile is a name as no well-meaning program has.
const hostile = "</script><img src=x onerror=alert(1)>\u2028&amp;\"'`"

// incident is a host in trouble: a proxy that opens a connection for each query until its
// pool is used up, a worker that leaks, a scanner that goes through the range in order, and
// a resolver, whose names are hostile. It has about n lifetimes, in half an hour.
func incident(w *workload, n int) {
	const length = 30 * time.Minute
	gap := length / time.Duration(n)
	sweep := rangeLo
	for i := range n {
		w.advance(began + ktime.Wall(time.Duration(i)*gap))
		switch {
		case i%40 == 7:
			w.sweep(uint16(sweep))
			if sweep += 2; sweep > rangeHi {
				sweep = rangeLo
			}
		case i%40 == 23:
			w.resolve()
		case i%1000 == 501:
			w.leak()
		default:
			// Faster in the last third: more than the pool has.
			w.query(i, n)
		}
	}
	w.finish()
}

func (w *workload) query(i, n int) {
	owner := lifetime.Owner{PID: 4242, UID: 33, Comm: "pgproxy", Place: lifetime.Intern(lifetime.Place{Cgroup: "/system.slice/pgproxy.service"})}
	port := w.pick(queried, 0)
	if port == 0 {
		w.write(lifetime.Record{Type: lifetime.Failure, Failure: &lifetime.FailureInfo{
			NetNS: namespace, Proto: event.TCP, Path: event.Connect, Src: source, Dst: database, Owner: owner,
			Errno: "EADDRNOTAVAIL", Cause: lifetime.RangeExhausted, InUse: rangeHi - rangeLo + 1, Usable: rangeHi - rangeLo + 1,
		}})
		return
	}
	wait := 61 * time.Second
	if i < 2*n/3 {
		wait = time.Duration(20+40*i/n) * time.Second
	}
	w.hold(lifetime.Hold{Proto: event.TCP, Port: port, Src: source, Dst: database, Path: event.Connect, Owner: owner},
		queried, event.TimeWaitExpired, map[event.State]time.Duration{
			event.SynSent: 200 * time.Microsecond, event.Established: time.Duration(5+w.random.IntN(20)) * time.Millisecond,
			event.TimeWait: wait,
		})
}

func (w *workload) leak() {
	port := w.pick(leaked, 1)
	if port == 0 {
		return
	}
	w.hold(lifetime.Hold{Proto: event.TCP, Port: port, Src: source, Dst: netip.MustParseAddrPort("10.0.0.9:6379"), Path: event.Connect,
		Owner: lifetime.Owner{PID: 777, UID: 1000, Comm: "worker", Place: lifetime.Intern(lifetime.Place{Container: "3f9ac2d1e07b" + strings.Repeat("0", 52)})}}, leaked, 0, nil)
}

func (w *workload) sweep(port uint16) {
	w.hold(lifetime.Hold{Proto: event.TCP, Port: port, Src: source, Dst: netip.AddrPortFrom(netip.AddrFrom4([4]byte{192, 0, 2, byte(w.made)}), 443),
		Path: event.Connect, Owner: lifetime.Owner{PID: 999, Comm: "scanner"}}, swept, event.TimedOut,
		map[event.State]time.Duration{event.SynSent: 20 * time.Second})
}

func (w *workload) resolve() {
	port := w.pick(resolved, w.random.IntN(2))
	w.hold(lifetime.Hold{Proto: event.UDP, Port: port, Src: netip.IPv4Unspecified(), Path: event.UDPSend,
		Owner: lifetime.Owner{PID: 1000 + uint32(w.made%50), Comm: hostile, Place: lifetime.Intern(lifetime.Place{Cgroup: "/" + hostile})}}, resolved, event.Closed,
		map[event.State]time.Duration{event.Bound: time.Duration(1+w.random.IntN(900)) * time.Millisecond})
}
