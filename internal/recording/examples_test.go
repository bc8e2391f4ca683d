package recording

import (
	"net/netip"
	"strings"
	"time"

	"porttrace/internal/event"
	"porttrace/internal/ktime"
	"porttrace/internal/lifetime"
)

// examples are a small trace that a person could follow.
func examples() []*lifetime.Record {
	at := func(d time.Duration) ktime.Wall {
		return ktime.WallOf(time.Date(2026, 11, 23, 20, 15, 0, 1, time.UTC).Add(d))
	}
	src, dst := netip.MustParseAddr("10.0.0.7"), netip.MustParseAddrPort("192.0.2.10:443")
	curl := lifetime.Owner{PID: 4242, TID: 4243, UID: 1000, Comm: "curl", Place: lifetime.Intern(lifetime.Place{Cgroup: "/user.slice/session-3.scope"})}
	hold := func(f func(*lifetime.Hold)) *lifetime.Hold {
		h := &lifetime.Hold{ID: 2, NetNS: 4026531840, Proto: event.TCP, Port: 60568, Src: src, Dst: dst,
			Path: event.Connect, Assigned: at(time.Second), Search: -1, Owner: curl}
		f(h)
		return h
	}
	nginx := lifetime.Owner{PID: 977, TID: 977, UID: 33, Comm: "nginx", User: lifetime.Intern("www-data"),
		Place:   lifetime.Intern(lifetime.Place{Cgroup: "/system.slice/nginx.service", Unit: "nginx.service"}),
		Program: lifetime.Intern(lifetime.Program{Exe: "/usr/sbin/nginx", Cmdline: "nginx: worker process"})}
	const pod = "0f6f2c7e-54b2-4a11-9f7a-3e1a7d8b9c00"
	container := strings.Repeat("0123456789abcdef", 4)
	java := lifetime.Owner{PID: 31337, TID: 31400, UID: 1000, Comm: "http-nio-8080-e",
		Place: lifetime.Intern(lifetime.Place{
			Cgroup:    "/kubepods.slice/kubepods-burstable.slice/kubepods-burstable-pod" + strings.ReplaceAll(pod, "-", "_") + ".slice/cri-containerd-" + container + ".scope",
			Container: container, Runtime: "containerd", ContainerName: "shop", Pod: "shop-7d9c8b6f5-x2x9p", PodNamespace: "prod", PodUID: pod, QoS: "burstable",
		}),
		Program: lifetime.Intern(lifetime.Program{Exe: "/opt/java/bin/java", Cmdline: "java -jar /app/shop.jar"})}
	inPod := hold(func(h *lifetime.Hold) {
		h.ID, h.NetNS, h.NetNSName, h.Owner = 3, 4026532290, lifetime.Intern("cni-5f1c0c0e"), java
	})
	served := hold(func(h *lifetime.Hold) { h.ID, h.Owner = 4, nginx })
	podEnd := *inPod
	podEnd.State = event.Established
	podEnd.States[event.Established] = 99 * time.Second
	before := &lifetime.Hold{ID: 1, NetNS: 4026531840, Proto: event.UDP, Port: 40001, Src: netip.IPv6Unspecified(),
		Search: -1, State: event.Bound}
	end := *before
	end.States[event.Bound] = 100 * time.Second
	return []*lifetime.Record{
		{Type: lifetime.Start, Time: at(0), Start: &lifetime.StartInfo{
			Schema: Schema, Version: "0.1.0", Host: "web-3", BootID: "5f1c0c0e-7d1c-4b57-9a54-0d6f3d0f7a11",
			Kernel: "6.18.5", Hooks: "stable", Filter: "--port 60568",
			Pools: []lifetime.Range{
				{NetNS: 4026531840, Lo: 32768, Hi: 60999, Reserved: "40000,50000-50009", Usable: 28221},
				{NetNS: 4026532290, Lo: 32768, Hi: 60999, Usable: 28232},
			}}},
		{Type: lifetime.HeldAtStart, Time: at(0), Hold: before},
		{Type: lifetime.Assign, Time: at(time.Second), Hold: hold(func(h *lifetime.Hold) { h.Search = 1834 })},
		{Type: lifetime.State, Time: at(time.Second + 30*time.Millisecond), Hold: hold(func(h *lifetime.Hold) { h.State = event.Established })},
		{Type: lifetime.Failure, Time: at(2 * time.Second), Failure: &lifetime.FailureInfo{
			NetNS: 4026531840, Proto: event.TCP, Path: event.Connect, Src: src, Dst: dst, Owner: curl,
			Errno: "EADDRNOTAVAIL", Cause: lifetime.RangeExhausted, InUse: 28221, Usable: 28221}},
		{Type: lifetime.Failure, Time: at(3 * time.Second), Failure: &lifetime.FailureInfo{
			NetNS: 4026531840, Proto: event.TCP, Path: event.Bind, Src: src, Port: 60001,
			RangeLo: 60000, RangeHi: 60009, Errno: "EADDRINUSE", Cause: lifetime.SocketRange, InUse: -1, Usable: -1}},
		{Type: lifetime.Pool, Time: at(10 * time.Second), Pool: &lifetime.PoolInfo{
			NetNS: 4026531840, Proto: event.TCP, Src: src, Dst: dst, InUse: 14111, Usable: 28221, TimeWait: 13950,
			AssignRate: 231.5, MeanHeld: 60953 * time.Millisecond, Exhausts: 61 * time.Second}},
		{Type: lifetime.Pool, Time: at(10 * time.Second), Pool: &lifetime.PoolInfo{
			NetNS: 4026531840, Proto: event.UDP, Src: netip.IPv6Unspecified(), InUse: 9000, Usable: 28221,
			MeanHeld: -1, Exhausts: -1}},
		{Type: lifetime.Lost, Time: at(20 * time.Second), Lost: &lifetime.LostInfo{Events: 12, Where: "ring", Reconciled: 3}},
		{Type: lifetime.Release, Time: at(62 * time.Second), Reason: event.TimeWaitExpired, Hold: hold(func(h *lifetime.Hold) {
			h.State = event.TimeWait
			h.States[event.SynSent] = 30 * time.Millisecond
			h.States[event.Established] = 900 * time.Millisecond
			h.States[event.FinWait1] = 20 * time.Millisecond
			h.States[event.FinWait2] = 50 * time.Millisecond
			h.States[event.TimeWait] = 60 * time.Second
		})},
		{Type: lifetime.Assign, Time: at(time.Second), Hold: inPod},
		{Type: lifetime.Assign, Time: at(time.Second), Hold: served},
		{Type: lifetime.Failure, Time: at(2 * time.Second), Failure: &lifetime.FailureInfo{
			NetNS: 4026532290, NetNSName: inPod.NetNSName, Proto: event.TCP, Path: event.Connect, Src: src, Dst: dst, Owner: java,
			Errno: "EADDRNOTAVAIL", Cause: lifetime.RangeExhausted, InUse: 28221, Usable: 28221}},
		{Type: lifetime.HeldAtEnd, Time: at(100 * time.Second), Hold: &end},
		{Type: lifetime.HeldAtEnd, Time: at(100 * time.Second), Hold: &podEnd},
		{Type: lifetime.HeldAtEnd, Time: at(100 * time.Second), Hold: served},
		{Type: lifetime.End, Time: at(100 * time.Second), End: &lifetime.EndInfo{
			BeforeStart: 1, Assigned: 3, Released: 1, Held: 3, Failures: 3, Lost: 12}},
	}
}
