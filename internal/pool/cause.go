package pool

import (
	"porttrace/internal/event"
	"porttrace/internal/lifetime"
)

// cause says why the kernel gave no port, as far as it can be known from outside. rng
// is nil if the namespace's range cannot be read. isLocal says whether bind() accepts
// the source address.
func cause(f *lifetime.FailureInfo, rng *Range, isLocal func() bool) lifetime.Cause {
	switch {
	case f.Port != 0:
		return lifetime.TupleInUse
	case f.Path == event.Bind && (f.Errno == "EADDRNOTAVAIL" || !f.Searched && !isLocal()):
		return lifetime.AddressNotLocal // bind() looks at the address first
	case isNarrowed(f, rng):
		return lifetime.SocketRange
	case rng == nil:
		return lifetime.CauseUnknown
	case rng.Usable == 0:
		return lifetime.RangeReserved
	case f.Searched || f.InUse < 0 || f.InUse*10 >= f.Usable*9 || f.Usable-f.InUse <= spare(f.Path):
		return lifetime.RangeExhausted
	}
	return lifetime.CauseUnknown
}

// spare is how many ports may seem free in a range that is used up, for the stable hooks. A
// TCP connect() is seen to fail, and that is all; bind() and UDP's connect() are only known
// to have got no port, which another BPF program may have refused.
func spare(path event.Path) int {
	switch path {
	case event.Bind:
		return 1 // of an odd number one is left out (inet_csk_find_open_port)
	case event.UDPConnect:
		return 64 // the latest ones are not told yet
	}
	return 1 << 16
}

// isNarrowed says whether the socket has a range of its own that keeps it from ports of
// the namespace's: an end outside that is ignored (inet_sk_get_local_port_range).
func isNarrowed(f *lifetime.FailureInfo, rng *Range) bool {
	if rng == nil {
		return f.RangeLo != 0 || f.RangeHi != 0
	}
	return rng.Contains(f.RangeLo) && f.RangeLo > rng.Lo || rng.Contains(f.RangeHi) && f.RangeHi < rng.Hi
}
