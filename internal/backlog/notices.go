package backlog

import (
	"sync"
	"time"
)

// Quiet is how long after the beginning of one hole no other is spoken of.
const Quiet = time.Minute

// Notices tell people about holes, at most one beginning and one end a minute, so that
// what comes and goes does not drown everything else. They are for any goroutine.
type Notices struct {
	Say   func(format string, args ...any)
	Again func(missing uint64) string // what to say at an end, of as many since the last one

	mu    sync.Mutex
	open  bool      // a beginning was told, and no end since
	begun time.Time // the last beginning told
	told  uint64    // missing when last told
}

// Begin tells what, unless that is known already or too much at now. What goes on is to
// be told again and again: then it is heard once there is time for it.
func (n *Notices) Begin(now time.Time, format string, args ...any) {
	n.mu.Lock()
	tell := !n.open && (n.begun.IsZero() || now.Sub(n.begun) >= Quiet)
	if tell {
		n.open, n.begun = true, now
	}
	n.mu.Unlock()
	if tell { // not under the lock: whoever listens may take their time
		n.Say(format, args...)
	}
}

// End tells of the end of what Begin told, missing being what is missing since the
// beginning of all.
func (n *Notices) End(missing uint64) {
	n.mu.Lock()
	tell, since := n.open, missing-n.told
	if tell {
		n.open, n.told = false, missing
	}
	n.mu.Unlock()
	if tell {
		n.Say("%s", n.Again(since))
	}
}
