package recording

import (
	"bytes"
	"fmt"
	"time"

	"github.com/klauspost/compress/zstd"
)

// A frame ends with this many bytes of lines or at this age: no tool decodes beyond the
// beginning of a frame that lacks its end, and what cannot be ended is cut away whole.
const (
	frameSize = 1 << 20
	frameAge  = time.Second
)

// frame compresses lines into zstd frames, each of which decodes without the others.
type frame struct {
	z       *zstd.Encoder
	out     bytes.Buffer
	lines   int   // bytes of lines in the present frame; 0: none is begun
	written int64 // bytes of the present frame in the file
	begun   time.Time
	ending  bool // what pack returned last ends the frame
}

func newFrame() (*frame, error) {
	// One goroutine and a small window: the traced host's cores and memory are not ours.
	z, err := zstd.NewWriter(nil,
		zstd.WithEncoderLevel(zstd.SpeedFastest),
		zstd.WithEncoderConcurrency(1),
		zstd.WithLowerEncoderMem(true),
		zstd.WithWindowSize(frameSize))
	if err != nil {
		return nil, fmt.Errorf("starting compression: %w", err)
	}
	return &frame{z: z}, nil
}

// pack returns what to write for these lines so that they decode as the file stands,
// valid until the next call, and ends the frame if asked or if it is time. Then call
// wrote or drop.
func (f *frame) pack(lines []byte, end bool) ([]byte, error) {
	f.out.Reset()
	if f.lines == 0 {
		if len(lines) == 0 {
			return nil, nil
		}
		f.z.Reset(&f.out)
		f.begun = time.Now()
	}
	if _, err := f.z.Write(lines); err != nil {
		return nil, fmt.Errorf("compressing: %w", err)
	}
	f.lines += len(lines)
	f.ending = end || f.lines >= frameSize || f.age() >= frameAge
	finish := f.z.Flush
	if f.ending {
		finish = f.z.Close
	}
	if err := finish(); err != nil {
		return nil, fmt.Errorf("compressing: %w", err)
	}
	return f.out.Bytes(), nil
}

// wrote says that what pack returned is in the file.
func (f *frame) wrote() {
	f.written += int64(f.out.Len())
	if f.ending {
		f.drop()
	}
}

// drop forgets the present frame.
func (f *frame) drop() { f.lines, f.written = 0, 0 }

func (f *frame) age() time.Duration { return time.Since(f.begun) }
