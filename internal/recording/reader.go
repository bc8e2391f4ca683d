package recording

import (
	"bufio"
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"

	"github.com/klauspost/compress/zstd"

	"porttrace/internal/lifetime"
)

var zstdMagic = []byte{0x28, 0xb5, 0x2f, 0xfd}

const readSize = 64 << 10

// errTorn is where the input stops inside something.
var errTorn = errors.New("torn")

// Reader reads a recording, plain or compressed by zstd. It is for one goroutine.
type Reader struct {
	in   io.Reader
	buf  *bufio.Reader // nil: not begun
	z    *zstd.Decoder // nil: plain
	long []byte        // a line longer than buf
	dec  decoder
	line int
	torn bool
	err  error // what Read returns from now on
}

// NewReader returns a Reader of r. Whether r is compressed is told by its first bytes,
// not before the first Read.
func NewReader(r io.Reader) *Reader {
	return &Reader{in: r}
}

// Read returns the next record, which is the caller's own, and io.EOF at the end. See
// the package comment for what is skipped. An error names the line, and is final.
func (r *Reader) Read() (*lifetime.Record, error) {
	for r.err == nil {
		var rec *lifetime.Record
		rec, r.err = r.next()
		if rec != nil {
			return rec, nil
		}
	}
	if r.err == errTorn {
		r.torn = true
		r.err = io.EOF
	}
	if r.z != nil {
		r.z.Close()
		r.z = nil
	}
	return nil, r.err
}

// Torn tells whether the end of the recording was skipped because it is damaged: a
// line or a compressed frame that was not written to its end. It is known once Read
// has returned io.EOF. A last line that lacks only its newline is whole.
func (r *Reader) Torn() bool { return r.torn }

// next returns a record, or nil for a line to skip. Its error is about what follows
// the record, if there is one.
func (r *Reader) next() (*lifetime.Record, error) {
	if r.buf == nil {
		if err := r.open(); err != nil {
			return nil, err
		}
	}
	line, err := r.readLine()
	if err != nil && !ends(err) || len(bytes.TrimSpace(line)) == 0 {
		return nil, err
	}
	rec, bad := r.dec.decode(line)
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
		r.z, err = zstd.NewReader(in,
			zstd.WithDecoderConcurrency(1),
			zstd.WithDecoderLowmem(true),
			zstd.WithDecoderMaxWindow(128<<20)) // the most that zstd --long makes unasked
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
	// A crash may leave any length of zeros at the end of a file: see what this is.
	for err == bufio.ErrBufferFull {
		_, err = r.buf.ReadSlice('\n')
	}
	switch err := r.cause(err); {
	case err == nil:
		return nil, r.wrap(fmt.Errorf("longer than %d bytes", maxLine))
	case ends(err):
		return nil, errTorn
	default:
		return nil, err
	}
}

// cause tells the input's ends from its errors.
func (r *Reader) cause(err error) error {
	switch {
	case err == nil, err == io.EOF:
		return err
	case r.z != nil && errors.Is(err, io.ErrUnexpectedEOF):
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
