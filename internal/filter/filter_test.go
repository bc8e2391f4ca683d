package filter

import (
	"net/netip"
	"strings"
	"testing"

	"porttrace/internal/event"
	"porttrace/internal/flagvalue"
	"porttrace/internal/lifetime"
)

func prefixes(list ...string) []netip.Prefix {
	var all []netip.Prefix
	for _, text := range list {
		all = append(all, netip.MustParsePrefix(text))
	}
	return all
}

func to(prefix string, port uint16) flagvalue.Destination {
	return flagvalue.Destination{Prefix: netip.MustParsePrefix(prefix), Port: port}
}

// place is one of everything, as no process is in.
var place = lifetime.Place{
	Cgroup: "/a.slice/nginx.service/x", Unit: "nginx.service", UserUnit: "app.scope",
	Container: strings.Repeat("0123456789abcdef", 4), ContainerName: "web",
	Pod: "web-0", PodNamespace: "prod", PodUID: "0a1b2c3d-0001-0002-0003-0123456789ab",
}

func sample() lifetime.Hold {
	return lifetime.Hold{
		ID: 1, Proto: event.TCP, Path: event.Connect, Port: 40000, Assigned: 5,
		Src: netip.MustParseAddr("10.0.0.1"), Dst: netip.MustParseAddrPort("192.0.2.1:443"),
		Owner: lifetime.Owner{PID: 100, TID: 101, UID: 0, Comm: "curl", Place: lifetime.Intern(place)},
	}
}

var matchCases = map[string]struct {
	filter Filter
	change func(*lifetime.Hold)
	want   bool
}{
	"no filter":               {want: true},
	"pid":                     {filter: Filter{PIDs: []uint32{99, 100}}, want: true},
	"another pid":             {filter: Filter{PIDs: []uint32{101}}},
	"comm":                    {filter: Filter{Comms: []string{"curl"}}, want: true},
	"part of a comm":          {filter: Filter{Comms: []string{"cur"}}},
	"root":                    {filter: Filter{UIDs: []uint32{0}}, want: true},
	"another user":            {filter: Filter{UIDs: []uint32{1000}}},
	"src":                     {filter: Filter{Src: prefixes("10.0.0.0/8")}, want: true},
	"one of several src":      {filter: Filter{Src: prefixes("fd00::/8", "10.0.0.1/32")}, want: true},
	"another src":             {filter: Filter{Src: prefixes("10.0.0.2/32", "::/0")}},
	"dst":                     {filter: Filter{Dst: []flagvalue.Destination{to("192.0.2.0/24", 0)}}, want: true},
	"dst with port":           {filter: Filter{Dst: []flagvalue.Destination{to("192.0.2.0/24", 443)}}, want: true},
	"dst with another port":   {filter: Filter{Dst: []flagvalue.Destination{to("192.0.2.0/24", 80)}}},
	"one of several dst":      {filter: Filter{Dst: []flagvalue.Destination{to("192.0.2.0/24", 80), to("0.0.0.0/0", 443)}}, want: true},
	"all together":            {filter: Filter{PIDs: []uint32{100}, Comms: []string{"curl"}, UIDs: []uint32{0}, Src: prefixes("10.0.0.0/8"), Dst: []flagvalue.Destination{to("192.0.2.1/32", 443)}}, want: true},
	"all but one":             {filter: Filter{PIDs: []uint32{100}, Comms: []string{"curl"}, UIDs: []uint32{1}, Src: prefixes("10.0.0.0/8")}},
	"cgroup":                  {filter: Filter{Cgroups: []string{"/a.slice/nginx.service/x"}}, want: true},
	"cgroup above":            {filter: Filter{Cgroups: []string{"/b", "/a.slice"}}, want: true},
	"cgroup at the root":      {filter: Filter{Cgroups: []string{"/"}}, want: true},
	"cgroup below":            {filter: Filter{Cgroups: []string{"/a.slice/nginx.service/x/y"}}},
	"cgroup of a prefix":      {filter: Filter{Cgroups: []string{"/a.slice/nginx"}}},
	"cgroup unknown":          {filter: Filter{Cgroups: []string{"/"}}, change: noPlace},
	"container's name":        {filter: Filter{Containers: []string{"web"}}, want: true},
	"container's whole id":    {filter: Filter{Containers: []string{place.Container}}, want: true},
	"container's id, cut":     {filter: Filter{Containers: []string{"db", "0123"}}, want: true},
	"container, 3 digits":     {filter: Filter{Containers: []string{"012"}}},
	"container, id's middle":  {filter: Filter{Containers: []string{"1234"}}},
	"container, part of name": {filter: Filter{Containers: []string{"we"}}},
	"container without id":    {filter: Filter{Containers: []string{"cafe"}}, change: inLXC("cafebabe")},
	"container by only name":  {filter: Filter{Containers: []string{"cafebabe"}}, change: inLXC("cafebabe"), want: true},
	"container unknown":       {filter: Filter{Containers: []string{"web", "0123"}}, change: noPlace},
	"unit":                    {filter: Filter{Units: []string{"nginx.service"}}, want: true},
	"user's unit":             {filter: Filter{Units: []string{"app.scope"}}, want: true},
	"another unit":            {filter: Filter{Units: []string{"nginx.socket"}}},
	"unit unknown":            {filter: Filter{Units: []string{"nginx.service"}}, change: noPlace},
	"pod":                     {filter: Filter{Pods: []flagvalue.Pod{{Namespace: "prod", Name: "web-0"}}}, want: true},
	"pod of any namespace":    {filter: Filter{Pods: []flagvalue.Pod{{Name: "web-0"}}}, want: true},
	"pod by uid":              {filter: Filter{Pods: []flagvalue.Pod{{Name: place.PodUID}}}, want: true},
	"pod of another one":      {filter: Filter{Pods: []flagvalue.Pod{{Namespace: "dev", Name: "web-0"}}}},
	"another pod":             {filter: Filter{Pods: []flagvalue.Pod{{Namespace: "prod", Name: "web"}, {Name: "prod"}}}},
	"pod unknown":             {filter: Filter{Pods: []flagvalue.Pod{{Name: "web-0"}}}, change: noPlace},
	"places together":         {filter: Filter{Cgroups: []string{"/a.slice"}, Containers: []string{"web"}, Units: []string{"nginx.service"}, Pods: []flagvalue.Pod{{Name: "web-0"}}, PIDs: []uint32{100}}, want: true},
	"places but one":          {filter: Filter{Cgroups: []string{"/a.slice"}, Containers: []string{"db"}, Units: []string{"nginx.service"}}},
	"place, another pid":      {filter: Filter{Units: []string{"nginx.service"}, PIDs: []uint32{7}}},
	"unknown owner, no pid":   {filter: Filter{Src: prefixes("10.0.0.0/8")}, change: noOwner, want: true},
	"unknown owner, root":     {filter: Filter{UIDs: []uint32{0}}, change: noOwner},
	"unknown owner, no name":  {filter: Filter{Comms: []string{""}}, change: noOwner},
	"unknown owner, pid 0":    {filter: Filter{PIDs: []uint32{0}}, change: noOwner},
	"unknown dst":             {filter: Filter{Dst: []flagvalue.Destination{to("0.0.0.0/0", 0), to("::/0", 0)}}, change: noDst},
	"unknown dst, no filter":  {change: noDst, want: true},
	"unknown dst, other ones": {filter: Filter{PIDs: []uint32{100}}, change: noDst, want: true},
}

func noOwner(h *lifetime.Hold) { h.Owner = lifetime.Owner{} }
func noPlace(h *lifetime.Hold) { h.Owner.Place = lifetime.Interned[lifetime.Place]{} }
func noDst(h *lifetime.Hold)   { h.Dst = netip.AddrPort{} }

func inLXC(name string) func(*lifetime.Hold) {
	return func(h *lifetime.Hold) {
		h.Owner.Place = lifetime.Intern(lifetime.Place{Runtime: "lxc", Container: name, ContainerName: name})
	}
}

func TestHolds(t *testing.T) {
	for name, tc := range matchCases {
		h := sample()
		if tc.change != nil {
			tc.change(&h)
		}
		s := NewStage(tc.filter)
		shown := 0
		s.Apply(&lifetime.Record{Type: lifetime.Assign, Time: 5, Hold: &h}, func(*lifetime.Record) { shown++ })
		if (shown == 1) != tc.want || shown > 1 {
			t.Errorf("%s: shown %d times, want it shown: %t", name, shown, tc.want)
		}
	}
}

func TestFailures(t *testing.T) {
	for name, tc := range matchCases {
		h := sample()
		if tc.change != nil {
			tc.change(&h)
		}
		info := &lifetime.FailureInfo{Owner: h.Owner, Src: h.Src, Dst: h.Dst, Port: 9}
		for _, could := range []func(*lifetime.FailureInfo) bool{
			nil,
			func(*lifetime.FailureInfo) bool { return true },
			func(i *lifetime.FailureInfo) bool { return i != info },
		} {
			f := tc.filter
			f.CouldMeet = could
			want := tc.want && (could == nil || could(info))
			s, shown, total := NewStage(f), 0, uint64(0)
			s.Apply(&lifetime.Record{Type: lifetime.Failure, Failure: info}, func(*lifetime.Record) { shown++ })
			s.Apply(&lifetime.Record{Type: lifetime.End, End: &lifetime.EndInfo{Failures: 7}}, func(r *lifetime.Record) { total = r.End.Failures })
			if (shown == 1) != want || total != uint64(shown) {
				t.Errorf("%s: shown %d times and counted %d times, want it shown: %t", name, shown, total, want)
			}
		}
	}
}

func TestOtherRecordsPass(t *testing.T) {
	s := NewStage(Filter{PIDs: []uint32{1}})
	for _, typ := range []lifetime.Type{lifetime.Start, lifetime.Pool, lifetime.Lost} {
		r := &lifetime.Record{Type: typ}
		passed := 0
		s.Apply(r, func(got *lifetime.Record) {
			if passed++; got != r {
				t.Errorf("type %d was changed", typ)
			}
		})
		if passed != 1 {
			t.Errorf("type %d passed %d times", typ, passed)
		}
	}
}

// Each list alone makes a filter that is not empty.
func TestIsEmpty(t *testing.T) {
	if f := new(Filter); !f.IsEmpty() {
		t.Error("the zero filter is not empty")
	}
	for name, tc := range matchCases {
		if name != "no filter" && !strings.Contains(name, "no filter") && tc.filter.IsEmpty() {
			t.Errorf("%s: it is said to be empty", name)
		}
	}
	if f := (Filter{CouldMeet: func(*lifetime.FailureInfo) bool { return true }}); f.IsEmpty() {
		t.Error("with CouldMeet it is said to be empty")
	}
}
