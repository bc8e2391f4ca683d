package recording

import (
	"bufio"
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"sync/atomic"

	"github.com/klauspost/compress/zstd"

	"porttrace/internal/lifetime"
	"porttrace/internal/pipeline"
)

var _ pipeline.Source = (*Reader)(nil)

var zstdMagic = []byte{0x28, 0xb5, 0x2f, 0xfd}

const readSize = 64 << 10

// linesPerCall is how many lines one Next reads at most.
const linesPerCall = 1024

// errTorn is where the input stops inside something.
var errTorn = errors.New("torn")

// ErrNewer is of recordings whose schema this version does not know.
var ErrNewer = errors.New("upgrade porttrace")

// Reader reads a recording, plain or compressed by zstd. Recordings joined in one input,
// all plain or all compressed, are read on as one, each with its start record; only the
// last may be cut. It is for one goroutine but for Stop, and has none of its own.
type Reader struct {
	in      io.Reader
	buf     *bufio.Reader // nil: not begun
	z       *zstd.Decoder // nil: plain
	packed  *packed       // what z reads
	long    []byte        // a line longer than buf
	dec     decoder
	line    int
	torn    bool
	stopped atomic.Bool
	err     error // what Read and Next return from now on
}

// NewReader returns a Reader of r. Whether r is compressed is told by its first bytes,
// not before the first Read or Next.
func NewReader(r io.Reader) *Reader {
	return &Reader{in: r}
}

// Read returns the next record, which is the caller's own, and io.EOF at the end. See
// the package comment for what is skipped. An error names the line, and is final.
func (r *Reader) Read() (*lifetime.Record, error) {
	for r.goesOn() {
		if rec := r.step(); rec != nil {
			return own(rec), nil
		}
	}
	return nil, r.err
}

// own returns a copy of what the decoder reuses.
func own(rec *lifetime.Record) *lifetime.Record {
	if rec.Hold == nil {
		return rec
	}
	out := &struct {
		lifetime.Record
		hold lifetime.Hold
	}{*rec, *rec.Hold}
	out.Hold = &out.hold
	return &out.Record
}

// Next implements pipeline.Source: it hands over the records of some lines, at least
// those already read from the input, and at most 1024. The strings of a record may be
// kept. Errors are as of Read.
func (r *Reader) Next(emit func(*lifetime.Record)) error {
	for n := 0; n < linesPerCall && r.goesOn(); n++ {
		if n > 0 && r.buf.Buffered() == 0 {
			break // more may be long in coming: the input may be a pipe
		}
		if rec := r.step(); rec != nil {
			emit(rec)
		}
	}
	return r.err
}

// Stop implements pipeline.Source: the rest of the recording is not read. It may be
// called at any time.
func (r *Reader) Stop() { r.stopped.Store(true) }

// Torn tells whether the end of the recording was skipped because it is damaged: a
// line or a compressed frame that was not written to its end. It is known once Read or
// Next has returned io.EOF. A last line that lacks only its newline is whole.
func (r *Reader) Torn() bool { return r.torn }

func (r *Reader) goesOn() bool {
	if r.err == nil && r.stopped.Load() {
		r.end(io.EOF)
	}
	return r.err == nil
}

// step returns the next line's record, valid until the next call, or nil.
func (r *Reader) step() *lifetime.Record {
	rec, err := r.next()
	if err != nil {
		r.end(err)
	}
	return rec
}

func (r *Reader) end(err error) {
	if err == errTorn {
		r.torn = true
		err = io.EOF
	}
	r.err = err
	if r.z != nil {
		r.z.Close()
	}
}

// next returns a record, or nil for a line to skip. Its error is about what follows
// the record, if there is one.
func (r *Reader) next() (*lifetime.Record, error) {
	if r.buf == nil {
		if err := r.open(); err != nil {
			return nil, err
		}
	}
	// Most lines are read where they lie, without looking for their end first.
	ahead, _ := r.buf.Peek(r.buf.Buffered())
	if n := r.dec.laidOut(ahead, false); n > 0 {
		r.line++
		r.buf.Discard(n)
		return &r.dec.out, nil
	}
	line, err := r.readLine()
	if err != nil && !ends(err) || len(bytes.TrimSpace(line)) == 0 {
		return nil, err
	}
	decode := r.dec.decode
	if len(line) <= len(ahead) {
		decode = r.dec.scan // it was tried
	}
	rec, bad := decode(line)
	switch {
	case bad == nil:
		return rec, err
	case (err != nil || r.atEnd()) && !json.Valid(line):
		return nil, errTorn
	}
	return nil, r.wrap(bad)
}

func (r *Reader) open() error {
	in := bufio.NewReaderSize(r.in, readSize)
	head, err := in.Peek(len(zstdMagic))
	switch {
	case bytes.Equal(head, zstdMagic):
		r.packed = &packed{in: in}
		r.z, err = zstd.NewReader(r.packed,
			zstd.WithDecoderConcurrency(1), // no goroutines
			zstd.WithDecoderLowmem(true),
			zstd.WithDecoderMaxWindow(maxWindow))
		if err != nil {
			return fmt.Errorf("starting decompression: %w", err)
		}
		r.buf = bufio.NewReaderSize(r.z, readSize)
	case err == io.EOF && len(head) > 0 && bytes.HasPrefix(zstdMagic, head):
		return errTorn
	default:
		r.buf = in
	}
	return nil
}

// readLine returns the next line, valid until the next call. At the end of the input
// the error goes with the line it cut, if any.
func (r *Reader) readLine() ([]byte, error) {
	r.line++
	line, err := r.buf.ReadSlice('\n')
	if err != bufio.ErrBufferFull {
		return line, r.cause(err)
	}
	r.long = r.long[:0]
	for err == bufio.ErrBufferFull && len(r.long) <= maxLine {
		r.long = append(r.long, line...)
		line, err = r.buf.ReadSlice('\n')
	}
	if len(r.long)+len(line) <= maxLine {
		return append(r.long, line...), r.cause(err)
	}
	return nil, r.tooLong(line, err)
}

// tooLong goes on in a line that is longer than any, from what was read last. A crash
// may leave any length of zeros at the end of a file, but not of what a frame holds.
func (r *Reader) tooLong(more []byte, err error) error {
	for r.z == nil && err == bufio.ErrBufferFull && allZeros(more) {
		more, err = r.buf.ReadSlice('\n')
	}
	if err == io.EOF && r.z == nil && allZeros(more) {
		return errTorn
	}
	if err = r.cause(err); err == nil || ends(err) || err == bufio.ErrBufferFull {
		err = r.wrap(fmt.Errorf("longer than %d bytes", maxLine))
	}
	return err
}

// cause tells the input's ends from its errors.
func (r *Reader) cause(err error) error {
	switch {
	case err == nil, err == io.EOF, err == bufio.ErrBufferFull:
		return err
	case r.z != nil && r.packed.tornBy(err):
		return errTorn
	}
	return r.wrap(err)
}

func (r *Reader) wrap(err error) error {
	return fmt.Errorf("reading recording: line %d: %w", r.line, err)
}

func (r *Reader) atEnd() bool {
	_, err := r.buf.Peek(1)
	return err != nil && ends(r.cause(err))
}

func ends(err error) bool { return err == io.EOF || err == errTorn }
