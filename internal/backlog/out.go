package backlog

import (
	"errors"
	"io"
)

// ErrFull says that lines were not taken for want of room. Later ones may be.
var ErrFull = errors.New("too much waits to be written")

// Out is where lines go.
type Out interface {
	// Put takes lines that tell of n records: all of them, or with an error none. It
	// keeps nothing of them. Errors but ErrFull stay.
	Put(lines []byte, n uint64) error
	// Flush has what was put written soon, and tells whether it could be.
	Flush() error
	// Settle waits until what was put is written or given up, and returns how many
	// records are missing so far.
	Settle() (missing uint64)
	// Close ends it; the error is of what was put and cannot be written any more.
	Close() error
}

// To returns w itself where it is an Out, else one that writes to w at once.
func To(w io.Writer) Out {
	if out, ok := w.(Out); ok {
		return out
	}
	return direct{w}
}

type direct struct{ w io.Writer }

func (d direct) Put(lines []byte, _ uint64) error {
	n, err := d.w.Write(lines)
	if err == nil && n < len(lines) {
		err = io.ErrShortWrite
	}
	return err
}

func (direct) Flush() error   { return nil }
func (direct) Settle() uint64 { return 0 }
func (direct) Close() error   { return nil }
