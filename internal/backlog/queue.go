// Package backlog carries what is to be written from a goroutine that must not wait to one
// that may: disks, pipes and terminals take what they are given when they like. How much may
// wait for them is bounded, and what there is no room for is counted and said.
package backlog

import "sync/atomic"

// Spares are kept for use again; what a slow reader took beyond them goes back to the
// garbage collector.
const Spares = 2

// Queue carries batches from one goroutine (Take, and sending to Full) to another
// (receiving from Full, and Give) and back. No step of the first one waits.
type Queue[B any] struct {
	Full  chan B
	free  chan B
	made  atomic.Int32 // batches there are, wherever they are
	most  int32
	fresh func() B
}

// NewQueue returns a queue for so many batches, which fresh makes as they are needed.
func NewQueue[B any](length int, fresh func() B) *Queue[B] {
	return &Queue[B]{
		Full: make(chan B, length+1), free: make(chan B, Spares),
		most: int32(length) + 1, fresh: fresh,
	}
}

// Take returns an empty batch; ok is false where as many as fit are on their way and one
// is with the caller. Each batch taken can be sent to Full without waiting.
func (q *Queue[B]) Take() (b B, ok bool) {
	select {
	case b := <-q.free:
		return b, true
	default:
	}
	if q.made.Load() >= q.most {
		return b, false
	}
	q.made.Add(1)
	return q.fresh(), true
}

// Give returns a batch that is done with, and empty again.
func (q *Queue[B]) Give(b B) {
	select {
	case q.free <- b:
	default:
		q.made.Add(-1)
	}
}

// Made is how many batches there are, Taken how many of them nobody gave back.
func (q *Queue[B]) Made() int  { return int(q.made.Load()) }
func (q *Queue[B]) Taken() int { return q.Made() - len(q.free) }
