package recording

import (
	"errors"
	"fmt"
	"io/fs"
	"sync"
	"time"

	"golang.org/x/sys/unix"
)

// quiet is how long after the beginning of one hole no other is spoken of.
const quiet = time.Minute

// hole counts the records that did not reach the file. It is the keeper's alone.
type hole struct {
	open uint64        // since the last lost record in the file
	told uint64        // in lost records in the files
	owed time.Duration // what clock records that were dropped told
	err  error         // why the last write failed; nil: it did not
}

func (h *hole) missing() uint64 { return h.open + h.told }

// tell moves n records from open to told, untell back again.
func (h *hole) tell(n uint64)   { h.open -= n; h.told += n }
func (h *hole) untell(n uint64) { h.open += n; h.told -= n }

// notices tells people about holes, at most one beginning and one end a minute, so that
// a disk that comes and goes does not drown everything else. It is for any goroutine.
type notices struct {
	say func(format string, args ...any)

	mu    sync.Mutex
	open  bool      // a beginning was told, and no end since
	begun time.Time // the last beginning told
	told  uint64    // records missing when last told
}

// begin tells what, unless that is known already or too much at now. What goes on is to
// be told again and again: then it is heard once there is time for it.
func (n *notices) begin(now time.Time, format string, args ...any) {
	n.mu.Lock()
	tell := !n.open && (n.begun.IsZero() || now.Sub(n.begun) >= quiet)
	if tell {
		n.open, n.begun = true, now
	}
	n.mu.Unlock()
	if tell { // not under the lock: whoever listens may take their time
		n.say(format, args...)
	}
}

// end tells of the end of what begin told, missing being the records that are missing
// since the recording began.
func (n *notices) end(missing uint64) {
	n.mu.Lock()
	tell, since := n.open, missing-n.told
	if tell {
		n.open, n.told = false, missing
	}
	n.mu.Unlock()
	if tell {
		n.say("recording again: %s", missingOf(since))
	}
}

func missingOf(n uint64) string {
	switch n {
	case 0:
		return "no records are missing"
	case 1:
		return "1 record is missing"
	}
	return fmt.Sprintf("%d records are missing", n)
}

// until says what ends a hole of this cause.
func until(err error) string {
	if errors.Is(err, unix.ENOSPC) || errors.Is(err, unix.EDQUOT) || errors.Is(err, unix.EFBIG) {
		return "until there is room"
	}
	return "until it can be written again"
}

// cause strips what package os puts before an errno: the message names the file already.
func cause(err error) error {
	if pe, ok := errors.AsType[*fs.PathError](err); ok {
		return pe.Err
	}
	return err
}
