package terminal

import (
	"net/netip"
	"strings"
	"time"

	"porttrace/internal/event"
	"porttrace/internal/ktime"
	"porttrace/internal/lifetime"
)

const (
	ms  = time.Millisecond
	sec = time.Second
)

var epoch = ktime.WallOf(time.Date(2026, 3, 14, 15, 9, 26, 535_897_932, time.UTC))

// states is the time spent in each state.
type states = map[event.State]time.Duration

// hold is an ordinary hold; edit changes it.
func hold(in states, edit ...func(*lifetime.Hold)) *lifetime.Hold {
	h := &lifetime.Hold{
		ID: 1, NetNS: 4026531840, Proto: event.TCP, Port: 60568, Path: event.Connect,
		Src: netip.MustParseAddr("10.0.0.9"), Dst: netip.MustParseAddrPort("10.0.0.5:443"),
		Assigned: epoch, Search: 3 * time.Microsecond,
		Owner: lifetime.Owner{PID: 1234, TID: 1234, UID: 1000, Comm: "curl", Place: lifetime.Intern(lifetime.Place{Cgroup: "/user.slice"})},
	}
	for s, d := range in {
		h.States[s] = d
		h.State = max(h.State, s)
	}
	for _, f := range edit {
		f(h)
	}
	return h
}

func owner(comm string, pid uint32) func(*lifetime.Hold) {
	return func(h *lifetime.Hold) { h.Owner.Comm, h.Owner.PID, h.Owner.TID = comm, pid, pid }
}

func dst(s string) func(*lifetime.Hold) {
	return func(h *lifetime.Hold) { h.Dst = netip.MustParseAddrPort(s) }
}

func path(p event.Path) func(*lifetime.Hold) {
	return func(h *lifetime.Hold) {
		h.Path = p
		switch p {
		case event.UDPConnect, event.UDPSend:
			h.Proto = event.UDP
		case event.Bind, event.Listen:
			h.Dst = netip.AddrPort{}
		}
	}
}

func beforeStart(h *lifetime.Hold) { h.Assigned, h.Search = 0, -1 }

func nobody(h *lifetime.Hold) { h.Owner = lifetime.Owner{} }

func inContainer(h *lifetime.Hold) {
	h.NetNS = 4026532999
	h.Owner.UID = 65534
	h.Owner.Place = lifetime.Intern(lifetime.Place{Cgroup: "/user.slice", Container: "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef"})
}

func inPod(h *lifetime.Hold) {
	h.NetNSName = lifetime.Intern("cni-1f2e")
	h.Owner.Place = lifetime.Intern(lifetime.Place{
		Cgroup:    "/kubepods.slice/kubepods-burstable.slice/cri-containerd-0123.scope",
		Container: strings.Repeat("89abcdef", 8), ContainerName: "app", Runtime: "containerd",
		Pod: "checkout-7f9c6d5b8-x2x4z", PodNamespace: "prod", PodUID: "0a1b2c3d-0001-0002-0003-0123456789ab", QoS: "burstable",
	})
	h.Owner.Program = lifetime.Intern(lifetime.Program{Exe: "/usr/bin/java", Cmdline: "java -jar /srv/checkout.jar --listen 0.0.0.0:8080"})
}

func inUnit(h *lifetime.Hold) {
	h.Owner.User = lifetime.Intern("alice")
	h.Owner.Place = lifetime.Intern(lifetime.Place{
		Cgroup: "/user.slice/user-1000.slice/user@1000.service/app.slice/sync.service",
		Unit:   "user@1000.service", UserUnit: "sync.service",
	})
}

// named is an owner with this name for everything.
func named(name string) func(*lifetime.Hold) {
	return func(h *lifetime.Hold) {
		h.NetNSName, h.Owner.User = lifetime.Intern(name), lifetime.Intern(name)
		h.Owner.Program = lifetime.Intern(lifetime.Program{Exe: name, Cmdline: name})
		h.Owner.Place = lifetime.Intern(lifetime.Place{Cgroup: name, Unit: name, UserUnit: name, Container: name,
			ContainerName: name, Pod: name, PodNamespace: name})
	}
}

func ipv6(h *lifetime.Hold) {
	h.Src = netip.MustParseAddr("2001:db8:aaaa:bbbb:cccc:dddd:eeee:1")
	h.Dst = netip.MustParseAddrPort("[2001:db8:ffff:ffff:ffff:ffff:ffff:ffff]:8443")
}

func search(d time.Duration) func(*lifetime.Hold) { return func(h *lifetime.Hold) { h.Search = d } }

func failure(errno string, cause lifetime.Cause, edit ...func(*lifetime.FailureInfo)) *lifetime.FailureInfo {
	f := &lifetime.FailureInfo{
		NetNS: 4026531840, Proto: event.TCP, Path: event.Connect,
		Src: netip.MustParseAddr("10.0.0.9"), Dst: netip.MustParseAddrPort("10.0.0.5:443"),
		Owner: lifetime.Owner{PID: 977, TID: 977, UID: 33, Comm: "nginx"},
		Errno: errno, Cause: cause, InUse: -1, Usable: -1,
	}
	for _, e := range edit {
		e(f)
	}
	return f
}

// records tells every kind of row once or more, 137 ms apart.
func records() []*lifetime.Record {
	rs := []*lifetime.Record{{Type: lifetime.Start, Start: &lifetime.StartInfo{}}}
	add := func(typ lifetime.Type, h *lifetime.Hold) {
		rs = append(rs, &lifetime.Record{Type: typ, Hold: h})
	}
	release := func(reason event.Reason, h *lifetime.Hold) {
		rs = append(rs, &lifetime.Record{Type: lifetime.Release, Reason: reason, Hold: h})
	}
	fail := func(f *lifetime.FailureInfo) {
		rs = append(rs, &lifetime.Record{Type: lifetime.Failure, Failure: f})
	}
	heldRecords(add)
	assignRecords(add)
	releaseRecords(release)
	failureRecords(fail)
	rs = append(rs,
		&lifetime.Record{Type: lifetime.Pool, Pool: &lifetime.PoolInfo{}},
		&lifetime.Record{Type: lifetime.Lost, Lost: &lifetime.LostInfo{Events: 3}})
	add(lifetime.HeldAtEnd, hold(nil))
	rs = append(rs, &lifetime.Record{Type: lifetime.End, End: &lifetime.EndInfo{}})
	for i, r := range rs {
		r.Time = epoch + ktime.Wall(i)*ktime.Wall(137*ms)
	}
	return rs
}

func heldRecords(add func(lifetime.Type, *lifetime.Hold)) {
	add(lifetime.HeldAtStart, hold(states{event.Established: 0}, beforeStart, owner("postgres", 812)))
	add(lifetime.HeldAtStart, hold(states{event.TimeWait: 0}, beforeStart, nobody))
	add(lifetime.HeldAtStart, hold(states{event.Listening: 0}, beforeStart, path(event.Listen), owner("sshd", 1), func(h *lifetime.Hold) {
		h.Src = netip.IPv6Unspecified()
		h.Path = 0
	}))
}

func assignRecords(add func(lifetime.Type, *lifetime.Hold)) {
	add(lifetime.Assign, hold(nil))
	add(lifetime.State, hold(states{event.SynSent: 85 * time.Microsecond, event.Established: 0}))
	add(lifetime.State, hold(states{event.Established: 12300 * ms, event.CloseWait: 0}, beforeStart))
	add(lifetime.Assign, hold(nil, search(12*ms), dst("192.168.100.200:5432"), owner("java", 22110)))
	add(lifetime.Assign, hold(nil, path(event.Bind), search(-1), inContainer))
	add(lifetime.Assign, hold(nil, path(event.Listen)))
	add(lifetime.Assign, hold(nil, path(event.UDPConnect), dst("8.8.8.8:53")))
	add(lifetime.Assign, hold(nil, path(event.UDPSend), func(h *lifetime.Hold) { h.Dst = netip.AddrPort{} }))
	add(lifetime.Assign, hold(nil, path(event.Explicit), func(h *lifetime.Hold) { h.Path, h.Port = event.Explicit, 22 }))
	add(lifetime.Assign, hold(nil, ipv6, owner("envoy", 4194304)))
	for _, comm := range hostile {
		add(lifetime.Assign, hold(nil, owner(comm, 666)))
	}
}

func releaseRecords(release func(event.Reason, *lifetime.Hold)) {
	use := states{event.SynSent: ms, event.Established: 380 * ms, event.FinWait1: 20 * ms, event.FinWait2: 10 * ms}
	timeWait := states{event.Established: 412 * ms, event.TimeWait: 60900 * ms}
	release(event.Closed, hold(use))
	release(event.Closed, hold(states{event.Established: 85 * time.Microsecond}, path(event.UDPConnect)))
	release(event.Closed, hold(states{event.Bound: 250 * ms}, path(event.Bind)))
	release(event.Closed, hold(states{event.Listening: 2*time.Hour + 3*time.Minute}, path(event.Listen)))
	release(event.Closed, hold(states{event.Established: 400 * ms, event.CloseWait: 3*time.Minute + 12*sec}))
	release(event.TimeWaitExpired, hold(timeWait))
	release(event.TimeWaitExpired, hold(timeWait, ipv6))
	release(event.TimeWaitExpired, hold(timeWait, dst("192.168.100.200:54321"), owner("postgres", 22110)))
	release(event.TimeWaitExpired, hold(timeWait, inContainer))
	release(event.TimeWaitExpired, hold(states{event.Established: 12300 * ms, event.TimeWait: 60900 * ms}, beforeStart))
	release(event.TimeWaitExpired, hold(states{event.TimeWait: 31400 * ms}, beforeStart, nobody))
	release(event.TimeWaitExpired, hold(states{event.SynSent: 7 * sec, event.Established: 2 * sec, event.TimeWait: 60900 * ms}))
	release(event.TimeWaitReused, hold(states{event.Established: 2300 * time.Microsecond, event.TimeWait: 3100 * ms}))
	release(event.TimeWaitKilled, hold(states{event.Established: 5 * sec, event.TimeWait: 1200 * ms}))
	release(event.Reset, hold(states{event.Established: 93 * sec}))
	release(event.Refused, hold(states{event.SynSent: 85 * time.Microsecond}))
	release(event.TimedOut, hold(states{event.SynSent: 131 * sec}, dst("10.255.255.1:5432")))
	release(event.TimedOut, hold(states{event.Established: 5 * sec, event.FinWait2: 60 * sec}))
	release(event.Unreachable, hold(states{event.SynSent: 3100 * ms}))
	release(event.Aborted, hold(states{event.SynSent: 5 * sec}))
	release(event.Disconnected, hold(states{event.Established: 5 * sec}))
	release(event.NetnsDestroyed, hold(states{event.Established: 26 * time.Hour}))
	release(event.Vanished, hold(states{event.Established: 9 * sec}))
	release(0, hold(states{event.Established: 9 * sec}))
}

func failureRecords(fail func(*lifetime.FailureInfo)) {
	fail(failure("EADDRNOTAVAIL", lifetime.RangeExhausted, func(f *lifetime.FailureInfo) { f.InUse, f.Usable = 28232, 28232 }))
	fail(failure("EADDRNOTAVAIL", lifetime.TupleInUse, func(f *lifetime.FailureInfo) { f.Port = 40001; f.Path = event.Explicit }))
	fail(failure("EADDRNOTAVAIL", lifetime.AddressNotLocal))
	fail(failure("EADDRNOTAVAIL", lifetime.RangeReserved))
	fail(failure("EADDRNOTAVAIL", lifetime.SocketRange, func(f *lifetime.FailureInfo) { f.RangeLo, f.RangeHi = 40000, 40009 }))
	fail(failure("EADDRINUSE", lifetime.RangeExhausted, func(f *lifetime.FailureInfo) {
		f.Path, f.Dst = event.Bind, netip.AddrPort{}
	}))
	fail(failure("EAGAIN", lifetime.CauseUnknown, func(f *lifetime.FailureInfo) {
		f.Path, f.Proto, f.Owner = event.UDPSend, event.UDP, lifetime.Owner{}
	}))
	fail(failure("E\x1b[31m", "made\u202eup\n"))
}

// hostile are names that a program may give itself (comm is 15 bytes of any value) and
// worse.
var hostile = []string{
	"\x1b[2J\x1b[Hpwned", "a\nroot/1 \r\t\b", "\x9b31mred\u009b0m", "ev\u202etac\u202c",
	"\u2066x\u2069\u200f\u061c", "caf\xe9", "日本語サーバ", "🦀 crab", "\u200bhid\u00adden\ufeff",
	"\u0301\u0301e\u0301", "❤\ufe0f", `C:\x1b`, "x\u3164y\u3000z\u00a0", "\U000e0041\ue000\x00\x7f", "\xff\xfe\xc3", "한국어",
	"Web Content", "",
}
