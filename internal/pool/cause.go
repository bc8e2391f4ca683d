package pool

import (
	"net"
	"net/netip"

	"porttrace/internal/event"
	"porttrace/internal/lifetime"
)

// cause says why the kernel gave no port, as far as it can be known from outside. rng
// is nil if the namespace's range cannot be read.
func cause(f *lifetime.FailureInfo, rng *Range) lifetime.Cause {
	switch {
	case f.Port != 0:
		return lifetime.TupleInUse
	case f.RangeHi != 0 || f.RangeLo != 0:
		return lifetime.SocketRange
	case rng == nil:
		return lifetime.CauseUnknown
	case rng.Usable == 0:
		return lifetime.RangeReserved
	case f.Path == event.Bind && !isLocal(f.Src, f.NetNS, f.Owner.PID):
		return lifetime.AddressNotLocal
	case f.Path == event.Connect || f.InUse < 0:
		return lifetime.RangeExhausted // the search itself failed
	case f.InUse*10 >= f.Usable*9:
		return lifetime.RangeExhausted
	}
	return lifetime.CauseUnknown
}

// isLocal says whether bind() accepts an address; it does if in doubt.
func isLocal(addr netip.Addr, inode, pid uint32) bool {
	if !addr.IsValid() || addr.IsUnspecified() || addr.IsLoopback() || addr.IsMulticast() {
		return true
	}
	local := false
	err := find(inode, pid).Do(func() error {
		addrs, err := net.InterfaceAddrs()
		for _, a := range addrs {
			if prefix, err := netip.ParsePrefix(a.String()); err == nil && prefix.Addr().Unmap() == addr.WithZone("") {
				local = true
			}
		}
		return err
	})
	return err != nil || local
}
