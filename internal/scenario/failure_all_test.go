package scenario

import "testing"

// What cannot be had is told with its cause, and nothing else is. All share a trace:
// whether a failure is the first of a burst depends on the ones before.
func TestFailures(t *testing.T) {
	t.Parallel()
	tr := start(t, everything())
	for _, tc := range []struct {
		name string
		run  func(*testing.T, *trace)
	}{
		{"range exhausted", failureRangeExhausted},
		{"udp connect at once", failureUDPConnectAtOnce},
		{"bind, then something else", failureBindThenElse},
		{"second destination", failureSecondDestination},
		{"poisoned", failurePoisoned},
		{"time wait", failureTimeWait},
		{"range reserved", failureRangeReserved},
		{"socket range", failureSocketRange},
		{"address not local", failureAddressNotLocal},
		{"tuple in use", failureTupleInUse},
		{"none", failureNone},
	} {
		t.Run(tc.name, func(t *testing.T) { tc.run(t, tr) })
	}
}
