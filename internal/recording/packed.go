package recording

import (
	"bufio"
	"bytes"
	"errors"
	"io"
)

// maxWindow bounds what decompression may keep in memory; it is the most that
// zstd --long makes unasked. The Writer's own is far smaller.
const maxWindow = 128 << 20

// packed is a compressed recording on its way to the decoder. It knows what the decoder
// cannot tell: whether the file just ends there, or in the zeros of blocks that a crash
// kept from the disk, which make no sense as a frame.
type packed struct {
	in    *bufio.Reader
	zeros bool  // the last byte read is zero
	err   error // of in, not io.EOF
}

func (p *packed) Read(b []byte) (int, error) {
	n, err := p.in.Read(b)
	if n > 0 {
		p.zeros = b[n-1] == 0
	}
	if err != nil && err != io.EOF {
		p.err = err
	}
	return n, err
}

// tornBy tells whether the decoder's error is about an end that was not written, and
// reads on to see.
func (p *packed) tornBy(err error) bool {
	switch {
	case p.err != nil:
		return false
	case errors.Is(err, io.ErrUnexpectedEOF):
		return true
	}
	var rest [4096]byte
	for zeros := p.zeros; zeros; {
		n, err := p.in.Read(rest[:])
		switch zeros = allZeros(rest[:n]); err {
		case nil:
		case io.EOF:
			return zeros
		default:
			return false
		}
	}
	return false
}

func allZeros(b []byte) bool { return len(bytes.TrimRight(b, "\x00")) == 0 }
