package diagnose

import (
	"reflect"
	"testing"
	"time"

	"porttrace/internal/event"
	"porttrace/internal/lifetime"
)

// What is found, and how bad it is said to be, is the same if the clock is set in the
// middle of it.
func TestAClockThatIsSetChangesNoFinding(t *testing.T) {
	for name, begin := range map[string]func(*testing.T) *story{"live": tell, "recorded": recorded} {
		for what, work := range map[string]func(s *story, between func()){
			"a leak": func(s *story, between func()) {
				for i := range 50 {
					s.take(12, connectTo(server, "app"))
					s.wait(time.Second)
					if i == 25 {
						between()
					}
				}
			},
			"CLOSE_WAIT": func(s *story, between func()) {
				ids := s.take(300, connectTo(server, "app"))
				s.wait(2 * time.Second)
				s.enter(event.CloseWait, ids...)
				s.wait(20 * time.Second)
				between()
				s.wait(20 * time.Second)
				s.fail(3, connectTo(server, "app"), lifetime.RangeExhausted)
				s.wait(7 * time.Second)
				s.release(event.Closed, ids...)
			},
		} {
			t.Run(name+", "+what, func(t *testing.T) {
				found := func(by time.Duration) []Finding {
					s := begin(t)
					work(s, func() {
						if by != 0 {
							s.setClock(by)
						}
					})
					s.end()
					s.e.Judge(s.now)
					return s.e.Findings()
				}
				want := found(0)
				if len(want) == 0 {
					t.Fatal("nothing is found anyway")
				}
				for _, by := range []time.Duration{time.Hour, -time.Hour} {
					if got := found(by); !reflect.DeepEqual(got, want) {
						t.Errorf("set by %v:\n%+v\nwant\n%+v", by, got, want)
					}
				}
			})
		}
	}
}
