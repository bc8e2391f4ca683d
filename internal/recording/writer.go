package recording

import (
	"fmt"
	"io"

	"porttrace/internal/lifetime"
	"porttrace/internal/pipeline"
)

var _ pipeline.Sink = (*Writer)(nil)

// flushAt is how many bytes of whole lines gather before they are written unasked.
const flushAt = 256 << 10

// Writer writes records to an io.Writer as JSON Lines, in the caller's goroutine. Each
// write it makes holds whole lines only. After an error nothing more is written, and
// every call returns that error. It is for one goroutine. For a file that is to outlast
// a full disk, see File.
type Writer struct {
	w     io.Writer
	buf   []byte
	tails tails
	err   error
}

// NewWriter returns a Writer to w.
func NewWriter(w io.Writer) *Writer {
	return &Writer{w: w}
}

// Write adds one record. It keeps nothing of r. The line reaches the io.Writer at the
// next Flush, or earlier once 256 KiB are waiting. A record too long for any reader
// (1 MiB) is an error.
func (w *Writer) Write(r *lifetime.Record) error {
	if w.err != nil {
		return w.err
	}
	var err error
	if w.buf, err = appendLine(w.buf, r, &w.tails); err != nil {
		return w.fail(err)
	}
	if len(w.buf) >= flushAt {
		return w.Flush()
	}
	return nil
}

// Flush writes every line so far.
func (w *Writer) Flush() error {
	if w.err != nil || len(w.buf) == 0 {
		return w.err
	}
	n, err := w.w.Write(w.buf)
	if err == nil && n < len(w.buf) {
		err = io.ErrShortWrite
	}
	if err != nil {
		return w.fail(err)
	}
	w.buf = w.buf[:0]
	return nil
}

// Close flushes. It does not close the io.Writer.
func (w *Writer) Close() error { return w.Flush() }

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
