package recording

import (
	"fmt"
	"io"

	"github.com/klauspost/compress/zstd"

	"porttrace/internal/lifetime"
	"porttrace/internal/pipeline"
)

var _ pipeline.Sink = (*Writer)(nil)

// flushAt is how many bytes of whole lines gather before they are written unasked.
const flushAt = 256 << 10

// Writer writes records to an io.Writer as JSON Lines. Each write it makes holds whole
// lines only, so that a process that dies leaves no torn line unless the write itself
// was cut short. After an error nothing more is written, and every call returns that
// error. It is for one goroutine.
type Writer struct {
	w     io.Writer
	z     *zstd.Encoder // nil: plain
	dirty bool          // z holds bytes that are not yet in w
	buf   []byte
	err   error
}

// NewWriter returns a Writer of plain JSON Lines.
func NewWriter(w io.Writer) *Writer {
	return &Writer{w: w}
}

// NewZstdWriter returns a Writer of one zstd frame, which Close ends.
func NewZstdWriter(w io.Writer) (*Writer, error) {
	// One goroutine and a small window: the traced host's cores and memory are not ours.
	z, err := zstd.NewWriter(w,
		zstd.WithEncoderLevel(zstd.SpeedFastest),
		zstd.WithEncoderConcurrency(1),
		zstd.WithLowerEncoderMem(true),
		zstd.WithWindowSize(1<<20))
	if err != nil {
		return nil, fmt.Errorf("starting compression: %w", err)
	}
	return &Writer{w: w, z: z}, nil
}

// Write adds one record. It keeps nothing of r. The line reaches the io.Writer at the
// next Flush, or earlier once 256 KiB are waiting. A record too long for any reader
// (1 MiB) is an error.
func (w *Writer) Write(r *lifetime.Record) error {
	if w.err != nil {
		return w.err
	}
	before := len(w.buf)
	w.buf = AppendRecord(w.buf, r)
	if n := len(w.buf) - before; n > maxLine {
		w.buf = w.buf[:before]
		return w.fail(fmt.Errorf("a line of %d bytes is longer than readers take (%d)", n, maxLine))
	}
	if len(w.buf) >= flushAt {
		return w.drain()
	}
	return nil
}

// Flush writes every line so far, also in compressed form decodable as it stands,
// should the process die right after. Call it at least each second.
func (w *Writer) Flush() error {
	if err := w.drain(); err != nil {
		return err
	}
	if w.dirty {
		if err := w.z.Flush(); err != nil {
			return w.fail(err)
		}
		w.dirty = false
	}
	return nil
}

// Close flushes and ends a compressed stream. It does not close the io.Writer. No call
// but Close may follow.
func (w *Writer) Close() error {
	err := w.Flush()
	if err != nil || w.z == nil {
		return err
	}
	z := w.z
	w.z = nil
	if err := z.Close(); err != nil {
		return w.fail(err)
	}
	return nil
}

func (w *Writer) drain() error {
	if w.err != nil || len(w.buf) == 0 {
		return w.err
	}
	var n int
	var err error
	if w.z != nil {
		n, err = w.z.Write(w.buf)
		w.dirty = true
	} else {
		n, err = w.w.Write(w.buf)
	}
	if err == nil && n < len(w.buf) {
		err = io.ErrShortWrite
	}
	if err != nil {
		return w.fail(err)
	}
	w.buf = w.buf[:0]
	return nil
}

func (w *Writer) fail(err error) error {
	w.err = fmt.Errorf("writing recording: %w", err)
	return w.err
}
