package recording

import (
	"time"

	"porttrace/internal/lifetime"
)

const (
	// queueLen batches of flushAt bytes, 64 MiB, is how far a disk may fall behind: a
	// second or two of the fastest storm. They are made as they are needed.
	queueLen = 256
	// flushAt is how many bytes of whole lines gather before they are written unasked.
	flushAt = 256 << 10
	// slack is room for the line that fills a batch.
	slack = 8 << 10
)

// batch is what a File hands to its keeper in one go.
type batch struct {
	start   *lifetime.Record // what parts begin with from here on; nil: as before
	lost    uint64           // records given up before data
	owed    time.Duration    // what clock records among them told
	data    []byte           // whole lines
	last    bool             // nothing comes after it: worth an attempt on a disk that refused the last one
	settled chan uint64      // not nil: where to say how many records are missing
}

func newBatch() *batch { return &batch{data: make([]byte, 0, flushAt+slack)} }

func (b *batch) reset() { *b = batch{data: b.data[:0]} }

func (b *batch) empty() bool { return b.start == nil && b.lost == 0 && b.owed == 0 && len(b.data) == 0 }
