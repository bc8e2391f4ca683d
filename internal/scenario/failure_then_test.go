package scenario

import (
	"errors"
	"net/netip"
	"testing"

	"golang.org/x/sys/unix"

	"porttrace/internal/event"
	"porttrace/internal/lifetime"
)

// A socket whose bind(0) found no port gets one in another way once there is one: both
// are told.
func failureBindThenElse(t *testing.T, tr *trace) {
	for _, then := range attempts {
		if then.path == event.Bind {
			continue
		}
		t.Run(then.name, func(t *testing.T) {
			families(t, func(t *testing.T, addr netip.Addr) {
				r := newRig(t, tr, addr)
				r.receiver()
				r.ns.Sysctl(t, "ipv4/ip_local_port_range", four)
				var holders []*sock
				for range fourPorts {
					holder := then.socket(r)
					holder.mustBind(netip.AddrPortFrom(addr, 0))
					holders = append(holders, holder)
				}
				s := then.socket(r)
				if err := bindAny(s, r.at); !errors.Is(err, unix.EADDRINUSE) {
					t.Fatalf("bind without a free port: %v", err)
				}
				for _, holder := range holders {
					holder.close()
				}
				// a child that a test beside this one starts has them, too, until it calls exec
				r.wait(fourPorts, "releases", lifetime.Release)
				if err := then.ask(s, r.at); err != nil {
					t.Fatalf("%s: %v", then.name, err)
				}
				failed := r.one("bind that failed", lifetime.Failure).Failure
				if failed.Path != event.Bind || failed.Errno != "EADDRINUSE" || !isOwn(failed.Owner) {
					t.Errorf("the failure says %+v", *failed)
				}
				r.one(then.name, lifetime.Assign, func(got *told) bool {
					return got.Path == then.path && got.Port == s.local().Port() && isOwn(got.Owner)
				})
			})
		})
	}
}
