package backlog

import (
	"errors"
	"fmt"
	"io"
	"sync"
	"time"
)

const (
	// batchSize is how many bytes of lines are handed over at most.
	batchSize = 256 << 10
	// At the end patience is how long nothing may be taken at first, pause how long of a
	// reader who has begun, and longest how long it may last in all.
	patience = 2 * time.Second
	pause    = 5 * time.Second
	longest  = 10 * time.Second
)

// Options say what a Stream is called, and how much may wait.
type Options struct {
	Name    string // of the writer: standard output
	Record  string // what a line tells
	Batches int    // of 256 KiB each, which are made as they are needed
	// Notice is told in one line that nobody reads, and when that is over. Nil: nobody is.
	Notice func(format string, args ...any)
}

// Stream is an Out whose writer blocks nobody but a goroutine of its own. What there is no
// room for is left out and counted. It is for any goroutine.
type Stream struct {
	w       io.Writer
	opts    Options
	notices Notices
	unread  []any // for them: made once
	q       *Queue[*batch]
	moved   chan struct{} // something was written, or a batch came back
	done    chan struct{} // closed when run has returned

	mu      sync.Mutex
	b       *batch
	full    bool      // nothing more is taken until a batch is free
	missing uint64    // records left out
	left    uint64    // records put and not written
	bytes   int       // put and not written
	until   time.Time // when the end is over; zero: it has not begun
	err     error     // why nothing is written any more
	closed  bool
}

type batch struct {
	data    []byte // whole lines
	records uint64 // that they tell
}

// New returns a Stream that writes to w.
func New(w io.Writer, opts Options) *Stream {
	if opts.Notice == nil {
		opts.Notice = func(string, ...any) {}
	}
	s := &Stream{
		w: w, opts: opts, q: NewQueue(opts.Batches, func() *batch { return new(batch) }),
		unread: []any{opts.Name, opts.Record}, moved: make(chan struct{}, 1), done: make(chan struct{}),
	}
	s.notices = Notices{Say: opts.Notice, Again: func(missing uint64) string {
		return fmt.Sprintf("%s is read again: %s left out", opts.Name, s.counted(missing))
	}}
	s.b, _ = s.q.Take()
	go s.run()
	return s
}

// counted is n records in words.
func (s *Stream) counted(n uint64) string {
	if n == 1 {
		return "1 " + s.opts.Record
	}
	return fmt.Sprintf("%d %ss", n, s.opts.Record)
}

// Write puts text that is no record.
func (s *Stream) Write(text []byte) (int, error) {
	if err := s.Put(text, 0); err != nil {
		return 0, err
	}
	return len(text), nil
}

// Put implements Out. It waits for nobody before the end has begun.
func (s *Stream) Put(lines []byte, n uint64) error {
	s.mu.Lock()
	err := s.put(lines, n)
	if err == ErrFull && !s.until.IsZero() {
		s.mu.Unlock()
		inTime := s.wait(patience, func() bool { return s.err != nil || s.handOver() })
		s.mu.Lock()
		if err = s.put(lines, n); !inTime {
			s.until = time.Now() // there will be no more waiting
		}
	}
	if err == ErrFull {
		s.missing += n
	}
	missing := s.missing
	s.mu.Unlock()
	switch err {
	case ErrFull:
		s.notices.Begin(time.Now(), "%s is not being read: %ss are left out", s.unread...)
	case nil:
		s.notices.End(missing)
	}
	return err
}

func (s *Stream) put(lines []byte, n uint64) error {
	switch {
	case s.err != nil:
		return s.err
	case s.closed:
		return errors.New("it is closed")
	case s.full || len(s.b.data)+len(lines) > batchSize:
		if s.full = !s.handOver(); s.full {
			return ErrFull
		}
	}
	s.b.data = append(s.b.data, lines...)
	s.b.records += n
	s.left += n
	s.bytes += len(lines)
	s.handOverEarly()
	return nil
}

// handOver passes the batch on and takes an empty one, if there is one.
func (s *Stream) handOver() bool {
	if len(s.b.data) == 0 {
		return true
	}
	next, ok := s.q.Take()
	if ok {
		s.q.Full <- s.b
		s.b = next
	}
	return ok
}

// handOverEarly does so with what does not fill a batch, unless another one waits still:
// then run does it, when it has no other.
func (s *Stream) handOverEarly() {
	if s.err == nil && !s.closed && len(s.q.Full) == 0 {
		s.handOver()
	}
}

// Flush implements Out. What was put is on its way without it: it has an error seen.
func (s *Stream) Flush() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.err
}

// Missing returns how many records were left out so far, for want of room.
func (s *Stream) Missing() uint64 {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.missing
}

// End says that what is put from now on is the end: there is time for it. Put waits, for
// as long as anything is taken and some seconds in all.
func (s *Stream) End() {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.until.IsZero() {
		s.until = time.Now().Add(longest)
	}
}

// Settle implements Out. It waits as long as anything is taken, and some seconds in all;
// what was not taken by then is given up, and the Stream with it.
func (s *Stream) Settle() (missing uint64) {
	s.End()
	written := s.Wait(patience)
	s.mu.Lock()
	defer s.mu.Unlock()
	if !written && s.err == nil {
		s.err = fmt.Errorf("%s is not being read: %s left out in all", s.opts.Name, s.counted(s.missing+s.left))
	}
	if s.err != nil {
		return s.missing + s.left
	}
	return s.missing
}

// Wait waits until all that was put is written, but not while nothing at all is taken for
// so long.
func (s *Stream) Wait(idle time.Duration) bool {
	return s.wait(idle, func() bool { return s.err != nil || s.bytes == 0 })
}

// wait waits for ok, which is called with the lock held.
func (s *Stream) wait(idle time.Duration, ok func() bool) bool {
	still := time.NewTimer(idle)
	for {
		s.mu.Lock()
		good, until := ok(), s.until
		s.mu.Unlock()
		if good {
			return true
		}
		if !until.IsZero() && time.Now().After(until) {
			return false
		}
		select {
		case <-s.moved:
			still.Reset(pause)
		case <-still.C:
			return false
		}
	}
}

// Close implements Out. It settles, and waits for nothing else.
func (s *Stream) Close() error {
	s.Settle()
	s.mu.Lock()
	defer s.mu.Unlock()
	if !s.closed {
		s.closed = true
		close(s.q.Full)
	}
	return s.err
}
