package pool

import (
	"testing"

	"porttrace/internal/event"
	"porttrace/internal/lifetime"
)

func TestCause(t *testing.T) {
	whole := &Range{Range: lifetime.Range{Lo: 40000, Hi: 40999, Usable: 1000}}
	reserved := &Range{Range: lifetime.Range{Lo: 40000, Hi: 40999}}
	tiny := &Range{Range: lifetime.Range{Lo: 40000, Hi: 40004, Usable: 5}}
	type failure = lifetime.FailureInfo
	for name, tc := range map[string]struct {
		f        failure
		rng      *Range
		notLocal bool
		want     lifetime.Cause
	}{
		"refused tuple":               {f: failure{Path: event.Explicit, Port: 40000}, rng: whole, want: lifetime.TupleInUse},
		"refused tuple after bind(0)": {f: failure{Path: event.Bind, Port: 40000}, rng: whole, notLocal: true, want: lifetime.TupleInUse},
		"connect":                     {f: failure{Path: event.Connect, InUse: 3, Usable: 1000}, rng: whole, want: lifetime.RangeExhausted},
		"connect, address not ours":   {f: failure{Path: event.Connect, InUse: 3, Usable: 1000}, rng: whole, notLocal: true, want: lifetime.RangeExhausted},
		"connect, nothing known":      {f: failure{Path: event.Connect, InUse: -1, Usable: -1}, want: lifetime.CauseUnknown},
		"bind, full":                  {f: failure{Path: event.Bind, InUse: 1000, Usable: 1000}, rng: whole, want: lifetime.RangeExhausted},
		"bind, 90 percent":            {f: failure{Path: event.Bind, InUse: 900, Usable: 1000}, rng: whole, want: lifetime.RangeExhausted},
		"bind, half full":             {f: failure{Path: event.Bind, InUse: 500, Usable: 1000}, rng: whole, want: lifetime.CauseUnknown},
		"bind, one of five left":      {f: failure{Path: event.Bind, InUse: 4, Usable: 5}, rng: tiny, want: lifetime.RangeExhausted},
		"bind, two of five left":      {f: failure{Path: event.Bind, InUse: 3, Usable: 5}, rng: tiny, want: lifetime.CauseUnknown},
		"bind, use unknown":           {f: failure{Path: event.Bind, InUse: -1, Usable: 1000}, rng: whole, want: lifetime.RangeExhausted},
		"bind, address not ours":      {f: failure{Path: event.Bind, InUse: 1000, Usable: 1000}, rng: whole, notLocal: true, want: lifetime.AddressNotLocal},
		"the same, no range":          {f: failure{Path: event.Bind, InUse: -1, Usable: -1}, notLocal: true, want: lifetime.AddressNotLocal},
		"the same, all reserved":      {f: failure{Path: event.Bind}, rng: reserved, notLocal: true, want: lifetime.AddressNotLocal},
		"all reserved":                {f: failure{Path: event.Connect}, rng: reserved, want: lifetime.RangeReserved},
		"UDP, full":                   {f: failure{Path: event.UDPSend, InUse: 1000, Usable: 1000}, rng: whole, want: lifetime.RangeExhausted},
		"UDP send, half full":         {f: failure{Path: event.UDPSend, InUse: 500, Usable: 1000}, rng: whole, want: lifetime.RangeExhausted},
		"UDP connect, full":           {f: failure{Path: event.UDPConnect, InUse: 1000, Usable: 1000}, rng: whole, want: lifetime.RangeExhausted},
		"UDP connect, half full":      {f: failure{Path: event.UDPConnect, InUse: 500, Usable: 1000}, rng: whole, want: lifetime.CauseUnknown},
		"UDP connect, none told yet":  {f: failure{Path: event.UDPConnect, InUse: 0, Usable: 5}, rng: tiny, want: lifetime.RangeExhausted},
		"listen, full":                {f: failure{Path: event.Listen, InUse: 1000, Usable: 1000}, rng: whole, want: lifetime.RangeExhausted},
		"own range":                   {f: failure{Path: event.Connect, RangeLo: 40100, RangeHi: 40200}, rng: whole, want: lifetime.SocketRange},
		"own range, one end":          {f: failure{Path: event.Connect, RangeHi: 40200}, rng: whole, want: lifetime.SocketRange},
		"own range, all reserved":     {f: failure{Path: event.Connect, RangeLo: 40100, RangeHi: 40200}, rng: reserved, want: lifetime.SocketRange},
		"own range, range unknown":    {f: failure{Path: event.Connect, RangeLo: 40100}, want: lifetime.SocketRange},
		"own range, ignored":          {f: failure{Path: event.Connect, RangeLo: 50000, RangeHi: 50100}, rng: whole, want: lifetime.RangeExhausted},
		"own range, the same":         {f: failure{Path: event.Connect, RangeLo: 40000, RangeHi: 40999}, rng: whole, want: lifetime.RangeExhausted},
		"own range, wider":            {f: failure{Path: event.Connect, RangeLo: 1024, RangeHi: 65535}, rng: whole, want: lifetime.RangeExhausted},
	} {
		if got := cause(&tc.f, tc.rng, func() bool { return !tc.notLocal }); got != tc.want {
			t.Errorf("%s: got %s, want %s", name, got, tc.want)
		}
	}
}
