package recording

import (
	"errors"
	"fmt"
	"io/fs"
	"time"

	"golang.org/x/sys/unix"
)

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

// goesOn is what people are told at the end of a hole.
func goesOn(missing uint64) string { return "recording again: " + missingOf(missing) }

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
