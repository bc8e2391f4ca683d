package probe

import (
	"encoding/binary"
	"errors"
	"fmt"
	"reflect"
	"slices"
	"strings"
	"testing"
	"unsafe"

	"porttrace/internal/event"
	"porttrace/internal/ktime"
)

// bytesOf is an event as the kernel side writes it.
func bytesOf(k bpfEvent) []byte {
	return append([]byte(nil), (*[eventSize]byte)(unsafe.Pointer(&k))[:]...)
}

// valid is an event that decodes.
func valid() bpfEvent {
	var k bpfEvent
	k.Kind = uint8(event.Assign)
	return k
}

// distinct fills every number of a struct with another value, and returns how many.
func distinct(v reflect.Value, next uint64) uint64 {
	switch v.Kind() {
	case reflect.Struct:
		for i := range v.NumField() {
			if v.Field(i).CanSet() {
				next = distinct(v.Field(i), next)
			}
		}
	case reflect.Array:
		for i := range v.Len() {
			next = distinct(v.Index(i), next)
		}
	default:
		next++
		v.SetUint(next)
		if v.Uint() != next {
			panic("the struct has more numbers than fit into its smallest")
		}
	}
	return next
}

// collect returns every number below a value, padding left out.
func collect(v reflect.Value, into map[uint64]string, path string) {
	switch v.Kind() {
	case reflect.Struct:
		for i := range v.NumField() {
			name := v.Type().Field(i).Name
			if name == "_" || name == "Pad" {
				continue
			}
			collect(v.Field(i), into, path+"."+name)
		}
	case reflect.Array:
		for i := range v.Len() {
			collect(v.Index(i), into, fmt.Sprintf("%s[%d]", path, i))
		}
	case reflect.Bool: // no number; see TestFieldsComeToTheirPlaces
	default:
		into[v.Uint()] = path
	}
}

// Every number that the kernel side writes comes out on the Go side, but for Since,
// which the time in states tells, and what is a bool there.
func TestEveryFieldSurvives(t *testing.T) {
	k := valid()
	distinct(reflect.ValueOf(&k).Elem(), 32)
	k.Kind, k.Reason = uint8(event.Held), uint8(event.Vanished)
	k.Hold.State, k.Hold.Path, k.Hold.Proto = uint8(event.Closing), uint8(event.Explicit), uint8(event.UDP)

	var e event.Event
	if err := decode(bytesOf(k), &e); err != nil {
		t.Fatal(err)
	}
	sent, got := map[uint64]string{}, map[uint64]string{}
	collect(reflect.ValueOf(k), sent, "kernel")
	collect(reflect.ValueOf(e), got, "event")
	for value, path := range sent {
		if _, ok := got[value]; !ok && !slices.Contains([]string{"kernel.Hold.Since", "kernel.Hold.Unclosed", "kernel.Hold.Searched"}, path) {
			t.Errorf("%s (%d) is lost", path, value)
		}
	}
	for value, path := range got {
		if _, ok := sent[value]; !ok {
			t.Errorf("%s (%d) comes from nowhere", path, value)
		}
	}
}

// Distinct numbers alone would not tell two that are swapped.
func TestFieldsComeToTheirPlaces(t *testing.T) {
	k := valid()
	distinct(reflect.ValueOf(&k).Elem(), 32)
	k.Kind, k.Reason = uint8(event.Failure), uint8(event.Reset)
	k.Hold.State, k.Hold.Path, k.Hold.Proto = uint8(event.LastAck), uint8(event.UDPSend), uint8(event.TCP)
	want := event.Event{
		Time: ktime.Time(k.Time), Kind: event.Failure, Reason: event.Reset,
		Errno: k.Error, RangeLo: k.RangeLo, RangeHi: k.RangeHi,
		Hold: event.Hold{
			ID:       event.ID{Cookie: k.Hold.Cookie, Born: ktime.Time(k.Hold.Born)},
			Assigned: ktime.Time(k.Hold.Assigned), Search: k.Hold.Search,
			Owner: event.Owner{
				PID: k.Hold.Owner.Pid, TID: k.Hold.Owner.Tid, UID: k.Hold.Owner.Uid, Started: k.Hold.Owner.Started,
				Cgroup: k.Hold.Owner.Cgroup, Cgroup1: k.Hold.Owner.Cgroup1, Comm: k.Hold.Owner.Comm,
			},
			InState: k.Hold.InState, Src: k.Hold.Src, Dst: k.Hold.Dst, NetNS: k.Hold.Netns,
			Port: k.Hold.Port, DstPort: k.Hold.DstPort, Unclosed: true, Searched: true,
			Proto: event.TCP, Path: event.UDPSend, State: event.LastAck,
		},
	}
	got := event.Event{Errno: 9999} // left over from the event before
	if err := decode(append(bytesOf(k), 1, 2, 3, 4), &got); err != nil {
		t.Fatal(err)
	}
	if got != want {
		t.Errorf("got  %+v\nwant %+v", got, want)
	}
}

func TestDecodeErrors(t *testing.T) {
	for name, tc := range map[string]struct {
		change func(*bpfEvent)
		cut    int
		want   string
	}{
		"nothing":          {cut: eventSize, want: fmt.Sprintf("decoding 0 bytes, want %d: malformed event", eventSize)},
		"one byte short":   {cut: 1, want: fmt.Sprintf("decoding %d bytes, want %d: malformed event", eventSize-1, eventSize)},
		"no kind":          {change: func(k *bpfEvent) { k.Kind = 0 }, want: "decoding kind 0: malformed event"},
		"kind of tomorrow": {change: func(k *bpfEvent) { k.Kind = 200 }, want: "decoding kind 200: malformed event"},
		"state":            {change: func(k *bpfEvent) { k.Hold.State = 10 }, want: "decoding state 10, path 0, reason 0: malformed event"},
		"path":             {change: func(k *bpfEvent) { k.Hold.Path = 7 }, want: "decoding state 0, path 7, reason 0: malformed event"},
		"reason":           {change: func(k *bpfEvent) { k.Reason = 13 }, want: "decoding state 0, path 0, reason 13: malformed event"},
	} {
		k := valid()
		if tc.change != nil {
			tc.change(&k)
		}
		raw := bytesOf(k)
		var e event.Event
		err := decode(raw[:len(raw)-tc.cut], &e)
		if !errors.Is(err, errMalformed) || err.Error() != tc.want {
			t.Errorf("%s: got %v, want %s", name, err, tc.want)
		}
		if e != (event.Event{}) {
			t.Errorf("%s: the event was touched: %+v", name, e)
		}
	}
}

func FuzzDecode(f *testing.F) {
	f.Add(bytesOf(valid()))
	f.Add(bytesOf(valid())[:100])
	f.Add([]byte(strings.Repeat("\xff", eventSize+8)))
	f.Fuzz(func(t *testing.T, raw []byte) {
		before := string(raw)
		var e event.Event
		err := decode(raw, &e)
		if string(raw) != before {
			t.Fatal("the input was changed")
		}
		switch {
		case len(raw) < eventSize:
			if !errors.Is(err, errMalformed) || !strings.Contains(err.Error(), fmt.Sprintf(" %d bytes, want %d:", len(raw), eventSize)) {
				t.Errorf("%d bytes: %v", len(raw), err)
			}
		case err != nil:
			if !errors.Is(err, errMalformed) {
				t.Errorf("%v does not say malformed", err)
			}
		case uint64(e.Time) != binary.NativeEndian.Uint64(raw):
			t.Errorf("time %d is not the first number of the event", e.Time)
		case e.Hold.State >= event.States || e.Hold.Path > event.Explicit || e.Reason > event.Vanished || e.Kind == 0:
			t.Errorf("it let through %+v", e)
		}
	})
}
