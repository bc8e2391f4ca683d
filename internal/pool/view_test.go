package pool

import (
	"testing"

	"porttrace/internal/event"
)

func TestViewIsTheCensus(t *testing.T) {
	var h held
	h.add(301, 40000, connectTo(server))
	h.add(31, 40400, inTimeWait(connectTo(server)))
	h.add(3, 40500, connectTo(server2))
	h.add(101, 40600, bound(event.TCP, other))
	h.add(7, 40000, bound(event.UDP, here))
	ranges := rangesOf(t, "40000 40999", "40990-40999")
	v := NewView(ranges, &h)
	want := []Standing{
		{keyTo(server), Use{332, 889}}, {keyOn(event.TCP, other), Use{101, 990}},
		{keyOn(event.UDP, here), Use{7, 990}}, {keyTo(server2), Use{3, 889}},
	}
	got := v.Pools()
	if len(got) != len(want) {
		t.Fatalf("got %+v, want %+v", got, want)
	}
	for i := range want {
		if got[i] != want[i] {
			t.Errorf("got %+v, want %+v", got[i], want[i])
		}
	}
	// 151 of 301 and 16 of 31; 495 of 990 but 51 of 101
	if evens := v.Evens(keyTo(server)); evens != (Use{151 + 16, 495 - 51}) {
		t.Errorf("even: %+v", evens)
	}
	waiting := 0
	for seat := range v.Seats(keyTo(server)) {
		if h[seat.Hold].Port != seat.Port || h[seat.Hold].State != seat.State {
			t.Fatalf("%+v is not %+v", seat, h[seat.Hold])
		}
		if seat.State == event.TimeWait {
			waiting++
		}
	}
	if waiting != 31 {
		t.Errorf("%d in TIME_WAIT, want 31", waiting)
	}
}
