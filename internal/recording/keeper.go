package recording

import (
	"errors"
	"fmt"
	"strings"
	"sync"
	"time"

	"porttrace/internal/backlog"
	"porttrace/internal/lifetime"
	"porttrace/internal/thread"
)

// interval is how often the keeper looks after the file, and tries one that failed.
const interval = time.Second

// keeper writes batches to the disk, in a goroutine of its own, so that the disk blocks
// nobody else. It alone touches what is below, until done is closed.
type keeper struct {
	q    *backlog.Queue[*batch]
	wake chan struct{} // Reopen was called
	done chan struct{} // closed when run has returned

	path   string // as given
	opts   Options
	hand   *hand
	folder *folder
	base   string // the name in the folder
	part   *part
	number int // of the part, from 1
	start  *lifetime.Record
	line   []byte // for records of the keeper's own

	hole    hole
	moved   time.Duration // by clock records in the files, since start
	pending tally         // of the present frame
	removed bool          // part has no name any more
	asked   bool          // to reopen
	ended   bool          // what was to come last was put: whatever that left out is missing for good
	notices backlog.Notices

	limit   int64 // the size at which to rotate
	stuck   bool  // rotation failed, and that was said
	aside   int   // the last number given
	kept    []earlier
	unswept bool // removing a part failed, and that was said

	saving sync.WaitGroup // earlier parts on their way to the disk
	late   chan error     // the first error of those
	err    error          // what Close returns
}

func newKeeper(path string, user *invoker, opts Options) (*keeper, error) {
	if opts.Notice == nil {
		opts.Notice = func(string, ...any) {}
	}
	dir, base := splitPath(path)
	h := &hand{thread.Keep(), user}
	d, err := openFolder(dir, h)
	if err != nil {
		h.End()
		return nil, err
	}
	k := &keeper{
		q: backlog.NewQueue(queueLen, newBatch), wake: make(chan struct{}, 1), done: make(chan struct{}),
		path: path, opts: opts, hand: h, folder: d, base: base, number: 1,
		notices: backlog.Notices{Say: opts.Notice, Again: goesOn}, limit: opts.RotateSize, late: make(chan error, 1),
	}
	if k.part, err = k.newPart(d.create); err != nil {
		d.close()
		h.End()
		return nil, err
	}
	return k, nil
}

// newPart makes a part of the file that open, a method of folder, opens.
func (k *keeper) newPart(open func(name string) (int, error)) (*part, error) {
	var z *frame
	if strings.HasSuffix(k.base, ".zst") {
		var err error
		if z, err = newFrame(); err != nil {
			return nil, err
		}
	}
	fd, err := open(k.base)
	if err != nil {
		return nil, err
	}
	return newPart(fd, k.path, k.base, z)
}

func (k *keeper) run() {
	defer close(k.done)
	tick := time.NewTicker(interval)
	defer tick.Stop()
	for {
		select {
		case b, more := <-k.q.Full:
			if !more {
				k.finish()
				return
			}
			k.take(b)
		case <-k.wake:
			k.asked = true
			// What was handed over before belongs to the old file.
			for range len(k.q.Full) {
				k.take(<-k.q.Full)
			}
			k.reopen()
		case <-tick.C:
			k.lookAfter()
		}
	}
}

func (k *keeper) take(b *batch) {
	if b.start != nil {
		k.start = b.start
	}
	k.hole.open += b.lost
	k.hole.owed += b.owed
	settled := b.settled
	if !k.ended || len(b.data) > 0 {
		k.put(b.data, b.last || settled != nil)
	}
	k.ended = k.ended || b.last
	b.reset()
	k.q.Give(b)
	if settled == nil {
		return
	}
	select {
	case <-k.wake:
		k.asked = true
	default:
	}
	k.reopen()
	k.handle(k.endFrame())
	settled <- k.hole.missing()
}

// lookAfter does each second what no record asks for.
func (k *keeper) lookAfter() {
	if k.removed {
		return
	}
	err := k.part.check(0)
	if err != nil {
		k.dropFrame(err)
		k.handle(err)
	}
	if !k.ended && (k.hole.err != nil || errors.Is(err, errCut)) {
		k.put(nil, true)
	}
	if !k.part.whole() && k.part.z.age() >= frameAge/2 {
		k.handle(k.endFrame())
	}
}

// finish ends the recording and sets err.
func (k *keeper) finish() {
	k.handle(k.endFrame())
	if err := k.part.check(0); !k.removed && errors.Is(err, errRemoved) {
		k.handle(err)
	}
	err := k.part.save()
	k.saving.Wait()
	switch {
	case k.removed:
		k.err = fmt.Errorf("recording %q was removed while it was written: what was recorded is gone", k.path)
	case k.hole.open > 0:
		k.err = fmt.Errorf("writing recording %q: %s at its end: %w", k.path, missingOf(k.hole.open), k.hole.err)
	case k.hole.err != nil:
		k.err = fmt.Errorf("writing recording %q: %w", k.path, k.hole.err)
	case err != nil:
		k.err = fmt.Errorf("saving recording %q: %w", k.path, err)
	default:
		select {
		case k.err = <-k.late:
		default:
		}
	}
}

// close frees what is left when run has returned.
func (k *keeper) close() {
	k.folder.close()
	k.hand.End()
}
