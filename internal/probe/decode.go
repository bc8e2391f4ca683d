package probe

import (
	"errors"
	"fmt"
	"unsafe"

	"porttrace/internal/event"
	"porttrace/internal/ktime"
)

// errMalformed is wrapped by every decoding error: kernel side and Go side disagree
// about struct event, which only a build mix-up can cause.
var errMalformed = errors.New("malformed event")

const eventSize = int(unsafe.Sizeof(bpfEvent{}))

// decode fills e from one struct event as the kernel side wrote it, in native byte
// order. raw may be longer (the ring pads) but not shorter; it is not kept.
func decode(raw []byte, e *event.Event) error {
	if len(raw) < eventSize {
		return fmt.Errorf("decoding %d bytes, want %d: %w", len(raw), eventSize, errMalformed)
	}
	var k bpfEvent
	copy((*[eventSize]byte)(unsafe.Pointer(&k))[:], raw)

	if k.Kind < uint8(event.Assign) || k.Kind > uint8(event.Found) {
		return fmt.Errorf("decoding kind %d: %w", k.Kind, errMalformed)
	}
	if k.Hold.State >= uint8(event.States) || k.Hold.Path > uint8(event.Explicit) || k.Reason > uint8(event.Vanished) {
		return fmt.Errorf("decoding state %d, path %d, reason %d: %w", k.Hold.State, k.Hold.Path, k.Reason, errMalformed)
	}
	*e = event.Event{
		Time:    ktime.Time(k.Time),
		Kind:    event.Kind(k.Kind),
		Reason:  event.Reason(k.Reason),
		Errno:   k.Error,
		RangeLo: k.RangeLo,
		RangeHi: k.RangeHi,
		Hold: event.Hold{
			ID:       event.ID{Cookie: k.Hold.Cookie, Born: ktime.Time(k.Hold.Born)},
			Assigned: ktime.Time(k.Hold.Assigned),
			Search:   k.Hold.Search,
			Owner: event.Owner{
				PID: k.Hold.Owner.Pid, TID: k.Hold.Owner.Tid, UID: k.Hold.Owner.Uid,
				Started: k.Hold.Owner.Started, Cgroup: k.Hold.Owner.Cgroup, Cgroup1: k.Hold.Owner.Cgroup1, Comm: k.Hold.Owner.Comm,
			},
			InState:  k.Hold.InState,
			Src:      k.Hold.Src,
			Dst:      k.Hold.Dst,
			NetNS:    k.Hold.Netns,
			Port:     k.Hold.Port,
			DstPort:  k.Hold.DstPort,
			Proto:    event.Proto(k.Hold.Proto),
			Path:     event.Path(k.Hold.Path),
			State:    event.State(k.Hold.State),
			Unclosed: k.Hold.Unclosed != 0,
			Searched: k.Hold.Searched != 0,
		},
	}
	return nil
}
