package recording

import (
	"sync/atomic"
	"time"

	"porttrace/internal/lifetime"
)

const (
	// queueLen batches of flushAt bytes, 64 MiB, is how far a disk may fall behind: a
	// second or two of the fastest storm. They are made as they are needed.
	queueLen = 256
	// spareLen batches are kept for use again; what a slow disk took beyond them goes
	// back to the garbage collector.
	spareLen = 2
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

func (b *batch) empty() bool { return b.start == nil && b.lost == 0 && b.owed == 0 && len(b.data) == 0 }

// queue carries batches from one goroutine (take, and sending to full) to another
// (receiving from full, and give) and back. No step of the first one waits.
type queue struct {
	full chan *batch
	free chan *batch
	made atomic.Int32 // batches there are, wherever they are
}

func newQueue() *queue {
	return &queue{full: make(chan *batch, queueLen+1), free: make(chan *batch, spareLen)}
}

// take returns an empty batch, or nil where queueLen are on their way and one is with
// the caller. Each batch taken can be sent to full without waiting.
func (q *queue) take() *batch {
	select {
	case b := <-q.free:
		return b
	default:
	}
	if q.made.Load() > queueLen {
		return nil
	}
	q.made.Add(1)
	return &batch{data: make([]byte, 0, flushAt+slack)}
}

// give returns a batch that is done with.
func (q *queue) give(b *batch) {
	*b = batch{data: b.data[:0]}
	select {
	case q.free <- b:
	default:
		q.made.Add(-1)
	}
}
