package filter

import (
	"net/netip"
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

func sample() lifetime.Hold {
	return lifetime.Hold{
		ID: 1, Proto: event.TCP, Path: event.Connect, Port: 40000, Assigned: 5,
		Src: netip.MustParseAddr("10.0.0.1"), Dst: netip.MustParseAddrPort("192.0.2.1:443"),
		Owner: lifetime.Owner{PID: 100, TID: 101, UID: 0, Comm: "curl"},
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
	"unknown owner, no pid":   {filter: Filter{Src: prefixes("10.0.0.0/8")}, change: noOwner, want: true},
	"unknown owner, root":     {filter: Filter{UIDs: []uint32{0}}, change: noOwner},
	"unknown owner, no name":  {filter: Filter{Comms: []string{""}}, change: noOwner},
	"unknown owner, pid 0":    {filter: Filter{PIDs: []uint32{0}}, change: noOwner},
	"unknown dst":             {filter: Filter{Dst: []flagvalue.Destination{to("0.0.0.0/0", 0), to("::/0", 0)}}, change: noDst},
	"unknown dst, no filter":  {change: noDst, want: true},
	"unknown dst, other ones": {filter: Filter{PIDs: []uint32{100}}, change: noDst, want: true},
}

func noOwner(h *lifetime.Hold) { h.Owner = lifetime.Owner{} }
func noDst(h *lifetime.Hold)   { h.Dst = netip.AddrPort{} }

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
