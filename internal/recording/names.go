package recording

import "porttrace/internal/event"

// The bounds of the names this version knows; a test fails when package event grows.
const (
	firstPath, lastPath     = event.Connect, event.Explicit
	firstState, lastState   = event.Bound, event.States - 1
	firstReason, lastReason = event.Closed, event.Vanished
)

// The names, for lookups that need no string.
var (
	protoByName  = map[string]event.Proto{event.TCP.String(): event.TCP, event.UDP.String(): event.UDP}
	pathByName   = byName(firstPath, lastPath)
	stateByName  = byName(firstState, lastState)
	reasonByName = byName(firstReason, lastReason)
)

type named interface {
	~uint8
	String() string
}

func byName[T named](first, last T) map[string]T {
	m := make(map[string]T)
	for v := first; v <= last; v++ {
		m[v.String()] = v
	}
	return m
}
