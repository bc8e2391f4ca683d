package lifetime

import (
	"encoding/json"
	"fmt"
	"testing"
	"unsafe"
)

func TestInterned(t *testing.T) {
	v := Place{Cgroup: "/system.slice/a.service", Unit: "a.service"}
	a, b := Intern(v), Intern(Place{Unit: "a.service", Cgroup: "/system.slice/" + fmt.Sprint("a.service")})
	if a != b || a.Value() != v {
		t.Errorf("equal places differ: %v and %v", a, b)
	}
	if c := Intern(Place{Unit: "a.service"}); c == a {
		t.Errorf("%v equals %v", c, a)
	}
	var none Interned[Place]
	if none.Value() != (Place{}) || Intern(Place{}) != none || none.String() != fmt.Sprint(Place{}) {
		t.Errorf("the zero value is %v", none)
	}
	text, err := json.Marshal(Owner{PID: 1, Place: a})
	var back Owner
	if err := json.Unmarshal(text, &back); err != nil || back != (Owner{PID: 1, Place: a}) {
		t.Errorf("%s is %v, %v", text, back, err)
	}
	if err != nil || json.Unmarshal([]byte(`{"User":7}`), &back) == nil {
		t.Errorf("a number is a user: %v", err)
	}
}

// A trace has a quarter of a million holds: what they share is behind pointers.
func TestHoldStaysSmall(t *testing.T) {
	if size := unsafe.Sizeof(Hold{}); size > 240 {
		t.Errorf("a hold takes %d bytes, it was 240", size)
	}
}
