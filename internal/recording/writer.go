package recording

import (
	"errors"
	"fmt"
	"io"
	"time"

	"porttrace/internal/backlog"
	"porttrace/internal/ktime"
	"porttrace/internal/lifetime"
	"porttrace/internal/pipeline"
)

var _ pipeline.Sink = (*Writer)(nil)

// Writer writes records to an io.Writer as JSON Lines. Each write it makes holds whole
// lines only. Where the io.Writer is a backlog.Out that has no room, records are dropped
// and counted, and as soon as there is room again a lost record (where "recording") tells
// how many are missing at that place. After any other error nothing more is written, and
// every call returns that error. It is for one goroutine. For a file that is to outlast a
// full disk, see File.
type Writer struct {
	out     backlog.Out
	buf     []byte
	records uint64        // in buf, but for those that tell of a hole
	begun   int           // bytes of buf that do
	lost    uint64        // records in the hole
	owed    time.Duration // what clock records in there told
	last    ktime.Wall    // the time of the last record
	tails   tails
	err     error
}

// NewWriter returns a Writer to w, in the caller's goroutine where w is no backlog.Out.
func NewWriter(w io.Writer) *Writer {
	return &Writer{out: backlog.To(w)}
}

// Write adds one record. It keeps nothing of r. The line is put out at the next Flush, or
// earlier once 256 KiB are waiting. A record too long for any reader (1 MiB) is an error.
func (w *Writer) Write(r *lifetime.Record) error {
	if w.err != nil {
		return w.err
	}
	var err error
	if w.buf, err = appendLine(w.buf, r, &w.tails); err != nil {
		return w.fail(err)
	}
	w.last = r.Time
	if r.Type != lifetime.Clock { // none of these is ever missing
		w.records++
	}
	if len(w.buf) >= flushAt {
		return w.put()
	}
	return nil
}

// Flush puts out every line so far.
func (w *Writer) Flush() error {
	if w.err != nil {
		return w.err
	}
	if err := w.put(); err != nil {
		return err
	}
	if err := w.out.Flush(); err != nil {
		return w.fail(err)
	}
	return nil
}

// put puts out the lines so far, or drops them.
func (w *Writer) put() error {
	if len(w.buf) == 0 {
		return nil
	}
	switch err := w.out.Put(w.buf, w.records); {
	case err == nil:
		w.buf, w.begun, w.records, w.lost, w.owed = w.buf[:0], 0, 0, 0, 0
	case errors.Is(err, backlog.ErrFull):
		w.drop()
	default:
		return w.fail(err)
	}
	return nil
}

// drop leaves of the lines so far what tells that they are missing.
func (w *Writer) drop() {
	by, _ := moved(w.buf[w.begun:])
	w.lost += w.records
	w.owed += by
	w.records = 0
	at := w.last - ktime.Wall(w.owed) // by the clock of the lines before
	w.buf = w.buf[:0]
	if w.lost > 0 {
		w.buf = appendMissing(w.buf, at, w.lost)
	}
	if w.owed != 0 {
		w.buf = appendMoved(w.buf, at, w.owed)
	}
	w.begun = len(w.buf)
}

// Settle waits until what was written is out or given up, and returns how many records are
// missing so far.
func (w *Writer) Settle() uint64 {
	w.out.Settle() // makes room
	if w.err == nil {
		_ = w.put() // it stays
	}
	return w.out.Settle()
}

// Close flushes, and closes a backlog.Out, but no other io.Writer.
func (w *Writer) Close() error {
	_ = w.Flush() // it stays
	err := w.out.Close()
	if w.err == nil && err != nil {
		return w.fail(err)
	}
	return w.err
}

func (w *Writer) fail(err error) error {
	w.err = fmt.Errorf("writing recording: %w", err)
	return w.err
}

// appendLine is AppendRecord but for lines that no reader would take.
func appendLine(dst []byte, r *lifetime.Record, known *tails) ([]byte, error) {
	before := len(dst)
	dst = appendRecord(dst, r, known)
	if n := len(dst) - before; n > maxLine {
		return dst[:before], fmt.Errorf("a line of %d bytes is longer than readers take (%d)", n, maxLine)
	}
	return dst, nil
}
