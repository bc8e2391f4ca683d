package check

import (
	"errors"
	"fmt"
	"net/netip"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"porttrace/internal/event"
	"porttrace/internal/ktime"
	"porttrace/internal/lifetime"
	"porttrace/internal/pool"
	"porttrace/internal/terminal"
	"porttrace/internal/testutil"
)

func (r *Result) find(t testing.TB, proto event.Proto, src, dst string) *terminal.PoolAnswer {
	t.Helper()
	for i := range r.Pools.Pools {
		p := &r.Pools.Pools[i]
		if p.Proto == proto && p.Src.String() == src && (dst == "" && !p.Dst.IsValid() || dst != "" && p.Dst.IsValid() && p.Dst.String() == dst) {
			return p
		}
	}
	t.Fatalf("no pool of %s %s to %q in %+v", proto, src, dst, r.Pools.Pools)
	return nil
}

func needBoundSockets(l *lab) {
	l.t.Helper()
	fd := l.bound(unix.SOCK_STREAM, "127.0.0.9:0")
	found := false
	for _, p := range l.look().Pools.Pools {
		found = found || p.Src.String() == "127.0.0.9"
	}
	l.must(unix.Close(fd))
	testutil.Need(l.t, found, "a kernel that lists bound sockets (6.8)")
}

func TestLook(t *testing.T) {
	l := newLab(t, "40000 40299")
	needBoundSockets(l)
	populate(l)
	r := l.settled(waiting)
	const poisoned = boundV4 + listening
	for _, tc := range []struct {
		proto         event.Proto
		src, dst      string
		inUse, usable int
		states        map[event.State]int
	}{
		{event.TCP, "127.0.0.1", "127.0.0.1:7001", toFirst + waiting, 300 - poisoned,
			map[event.State]int{event.Established: toFirst, event.TimeWait: waiting}},
		{event.TCP, "::1", "[::1]:7002", toSecond, 300 - poisoned, map[event.State]int{event.Established: toSecond}},
		{event.TCP, "127.0.0.2", "", boundV4 + listening, 300, map[event.State]int{event.Bound: boundV4, event.Listening: listening}},
		{event.UDP, "::1", "", udpBound, 300, map[event.State]int{event.Bound: udpBound}},
		{event.UDP, "127.0.0.1", "", udpTo, 300, map[event.State]int{event.Established: udpTo}},
	} {
		p := r.find(t, tc.proto, tc.src, tc.dst)
		if p.InUse != tc.inUse || p.Usable != tc.usable {
			t.Errorf("%s %s %s: %d of %d, want %d of %d", tc.proto, tc.src, tc.dst, p.InUse, p.Usable, tc.inUse, tc.usable)
		}
		sum := 0
		for state, n := range p.States {
			sum += n
			if n != tc.states[event.State(state)] {
				t.Errorf("%s %s %s: %d %v, want %d", tc.proto, tc.src, tc.dst, n, event.State(state), tc.states[event.State(state)])
			}
		}
		if sum != p.InUse {
			t.Errorf("%s %s %s: %d in use, the states add up to %d", tc.proto, tc.src, tc.dst, p.InUse, sum)
		}
	}
	if p := r.find(t, event.TCP, "0.0.0.0", ""); p.States[event.Listening] != listening {
		t.Errorf("%d listeners on any address, want %d", p.States[event.Listening], listening)
	}
}

// What a look says is what the tracer's pool records say of the same sockets.
func TestLookIsWhatTheTracerSays(t *testing.T) {
	l := newLab(t, "40000 40149") // a quarter is 38 ports
	needBoundSockets(l)
	h := &truth{l: l}
	first := l.listener("127.0.0.1:7001")
	for i := range toFirst + waiting {
		fd := l.connected(unix.SOCK_STREAM, "127.0.0.1:7001")
		far, state := l.accept(first), event.Established
		if i >= toFirst {
			l.endsInTimeWait(fd, far)
			state = event.TimeWait
		}
		h.add(fd, event.TCP, event.Connect, state, "127.0.0.1:7001")
	}
	for range boundV4 {
		h.add(l.bound(unix.SOCK_STREAM, "127.0.0.2:0"), event.TCP, event.Bind, event.Bound, "")
	}
	for range udpBound {
		h.add(l.bound(unix.SOCK_DGRAM, "[::1]:0"), event.UDP, event.Bind, event.Bound, "")
	}
	r := l.settled(waiting)

	now := ktime.Wall(time.Hour)
	book := pool.NewBook(pool.NewRanges(), h, true, now)
	var told int
	book.Report(now+ktime.Wall(pool.Interval), func(rec *lifetime.Record) {
		told++
		want := rec.Pool
		dst := ""
		if want.Dst.IsValid() {
			dst = want.Dst.String()
		}
		p := r.find(t, want.Proto, want.Src.String(), dst)
		if p.InUse != want.InUse || p.Usable != want.Usable || p.States[event.TimeWait] != want.TimeWait {
			t.Errorf("%d of %d in use, %d in TIME_WAIT; the tracer says %+v", p.InUse, p.Usable, p.States[event.TimeWait], want)
		}
	})
	if told != 3 {
		t.Errorf("the tracer tells of %d pools, want 3", told)
	}
}

// What was bound before it connected is told in another pool than the tracer's, and leaves
// as many ports.
func TestBoundBeforeConnect(t *testing.T) {
	l := newLab(t, "40000 40099")
	h := &truth{l: l}
	srv := l.listener("127.0.0.1:7001")
	sa, _ := sockaddr(netip.MustParseAddrPort("127.0.0.1:7001"))
	for range 11 {
		fd := l.bound(unix.SOCK_STREAM, "127.0.0.1:0")
		l.must(unix.Connect(fd, sa))
		l.accept(srv)
		h.add(fd, event.TCP, event.Bind, event.Established, "127.0.0.1:7001")
	}
	for range 13 {
		h.add(l.connected(unix.SOCK_STREAM, "127.0.0.1:7001"), event.TCP, event.Connect, event.Established, "127.0.0.1:7001")
		l.accept(srv)
	}
	got := l.look().find(t, event.TCP, "127.0.0.1", "127.0.0.1:7001")
	if got.InUse != 24 || got.Usable != 100 {
		t.Errorf("%d of %d, want 24 of 100", got.InUse, got.Usable)
	}
	for _, want := range pool.NewView(pool.NewRanges(), h).Pools() {
		if want.Dst.IsValid() && (want.InUse != 13 || want.Usable-want.InUse != got.Usable-got.InUse) {
			t.Errorf("%d of %d in use, the tracer says %+v", got.InUse, got.Usable, want)
		}
	}
}

func TestParityAndOwners(t *testing.T) {
	l := newLab(t, "40000 40099")
	even, odd := 0, 0
	srv := l.listener("127.0.0.1:7001")
	for range 67 {
		port := l.local(l.connected(unix.SOCK_STREAM, "127.0.0.1:7001")).Port()
		l.accept(srv)
		if port%2 == 0 {
			even++
		} else {
			odd++
		}
	}
	options := l.options()
	options.Warn = 60
	r, err := Look(options)
	l.must(err)
	p := r.find(t, event.TCP, "127.0.0.1", "127.0.0.1:7001")
	if p.EvenInUse != even || p.InUse-p.EvenInUse != odd || p.EvenUsable != 50 || p.Usable != 100 {
		t.Errorf("%+v, want %d even and %d odd ones", p, even, odd)
	}
	comm, err := os.ReadFile("/proc/self/comm")
	l.must(err)
	if len(p.Owners) != 1 || p.Owners[0].PID != uint32(os.Getpid()) || p.Owners[0].Count != 67 ||
		p.Owners[0].Comm != strings.TrimSuffix(string(comm), "\n") || p.Unowned != 0 {
		t.Errorf("owners %+v, want this process with 67", p.Owners)
	}
}

// Owners are told with what their cgroups are named after, whatever they are in.
func TestOwnersRunInPlaces(t *testing.T) {
	l := newLab(t, "40000 40099")
	home := testutil.NewCgroup(t, "porttrace-test-*")
	id := fmt.Sprintf("%064x", os.Getpid())
	places := map[int]lifetime.Place{}
	for i, in := range []lifetime.Place{
		{Cgroup: home.Path + "/system.slice/web.service", Unit: "web.service"},
		{Cgroup: home.Path + "/docker-" + id + ".scope", Container: id, Runtime: "docker"},
		{Cgroup: home.Path + "/plain"},
	} {
		cgroup := home.Below(t, strings.TrimPrefix(in.Cgroup, home.Path+"/"))
		pid := l.clients(23, 1, 101+i)
		cgroup.Add(t, pid)
		places[pid] = in
	}
	options := l.options()
	options.Warn, options.Port = 1, 102
	r, err := Look(options)
	l.must(err)
	found := 0
	for _, p := range r.Pools.Pools {
		for _, o := range p.Owners {
			if want, ours := places[int(o.PID)]; ours && p.Dst.IsValid() {
				found++
				if got := o.Place.Value(); got != want || o.Count != 23 {
					t.Errorf("process %d has %d in %+v, want 23 in %+v", o.PID, o.Count, got, want)
				}
			}
		}
	}
	if found != len(places) {
		t.Errorf("%d of %d owners are told", found, len(places))
	}
	if h := r.Port.Namespaces[0].Holders; len(h) != 1 || h[0].Owner.Place.Value().Container != id {
		t.Errorf("at the port: %+v, want it held in container %s", h, id)
	}
}

// A listener gone, what it accepted still keeps the port from others.
func TestAcceptedCountOnceTheirListenerLeft(t *testing.T) {
	l := newLab(t, "40000 40099")
	srv := l.listener("127.0.0.1:0")
	at := l.local(srv)
	client := l.connected(unix.SOCK_STREAM, at.String())
	l.accept(srv)
	near := l.local(client)
	pools := func() (keys []string) {
		for _, p := range l.look().Pools.Pools {
			keys = append(keys, fmt.Sprint(p.Src, p.Dst, p.InUse))
		}
		slices.Sort(keys)
		return keys
	}
	there := fmt.Sprint(near.Addr(), at, 1)
	back := fmt.Sprint(at.Addr(), near, 1)
	if got := pools(); !slices.Contains(got, there) || slices.Contains(got, back) {
		t.Errorf("with the listener: %q, want %q and not %q", got, there, back)
	}
	l.must(unix.Close(srv))
	if got := pools(); !slices.Contains(got, there) || !slices.Contains(got, back) {
		t.Errorf("without: %q, want %q and %q", got, there, back)
	}
}

func TestPort(t *testing.T) {
	l := newLab(t, "40000 40099")
	l.ns.Sysctl(t, "ipv4/ip_local_reserved_ports", "7001")
	srv := l.listener("127.0.0.1:7001")
	client := l.connected(unix.SOCK_STREAM, "127.0.0.1:7001")
	far := l.accept(srv)
	options := l.options()
	options.Port = 7001
	r, err := Look(options)
	l.must(err)
	in := r.Port.Namespaces
	if len(in) != 1 || in[0].InRange || !in[0].Reserved || len(in[0].Holders) != 1 || in[0].Holders[0].State != event.Listening ||
		in[0].Holders[0].Owner.PID != uint32(os.Getpid()) {
		t.Errorf("of a listener: %+v", in)
	}
	options.Port = l.local(client).Port()
	l.endsInTimeWait(client, far)
	l.settled(1)
	r, err = Look(options)
	l.must(err)
	in = r.Port.Namespaces
	if len(in) != 1 || !in[0].InRange || in[0].Reserved || len(in[0].Holders) != 1 {
		t.Fatalf("of a client: %+v", in)
	}
	if h := in[0].Holders[0]; h.State != event.TimeWait || h.Owner.PID != 0 || h.Dst.String() != "127.0.0.1:7001" || h.Path != 0 {
		t.Errorf("of a client in TIME_WAIT: %+v", h)
	}
}

func TestLevels(t *testing.T) {
	for _, tc := range []struct {
		inUse, usable int
		want          Level
	}{{0, 0, OK}, {0, 10, OK}, {6, 10, OK}, {69, 99, OK}, {7, 10, Warning}, {70, 100, Warning}, {89, 100, Warning}, {9, 10, Critical}, {10, 10, Critical}, {28232, 28232, Critical}} {
		if got := (Thresholds{70, 90}).Of(tc.inUse, tc.usable); got != tc.want {
			t.Errorf("%d of %d: %v, want %v", tc.inUse, tc.usable, got, tc.want)
		}
	}
}

// What could not be looked at hides nothing that was seen.
func TestUnknown(t *testing.T) {
	key := pool.Key{NetNS: 1, Proto: event.TCP, Src: netip.MustParseAddr("127.0.0.1")}
	for inUse, want := range map[int]Level{1: Unknown, 70: Warning, 90: Critical} {
		l := look{Options: Options{Thresholds: Thresholds{70, 90}, IPv4: true}}
		l.result.Errors = []error{errors.New("network namespace 2: listing sockets: no")}
		l.judge([]pool.Standing{{Key: key, Use: pool.Use{InUse: inUse, Usable: 100}}})
		if l.result.Level != want {
			t.Errorf("%d of 100 in use: %v, want %v", inUse, l.result.Level, want)
		}
	}
}
