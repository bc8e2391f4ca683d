package recording

import (
	"errors"
	"fmt"
	"os"
	"slices"
	"sync/atomic"
	"time"

	"golang.org/x/sys/unix"

	"porttrace/internal/lifetime"
	"porttrace/internal/pipeline"
	"porttrace/internal/privilege"
)

var _ pipeline.Sink = (*File)(nil)

// File is a recording on disk. The disk never blocks Write and Flush: a goroutine of the
// File's own writes, up to 64 MiB behind. What cannot be written, because the disk is
// full, broken or too slow, is dropped and counted; the recording holds whole lines only,
// and as soon as it can be written again a lost record (where "recording") that tells how
// many records are missing at that place. Each part that it comes in begins with the
// start record it was given.
//
// It is for one goroutine, but for Reopen.
type File struct {
	k      *keeper
	b      *batch // never nil before Close
	tails  tails
	begun  bool
	bad    error // a record that no recording can hold
	closed atomic.Bool
	err    error // what Close returned
}

// Name returns the path as given to Create.
func (f *File) Name() string { return f.k.path }

// Folder returns a path that leads to the folder of the recording, from any thread of
// this process.
func (f *File) Folder() string { return fmt.Sprintf("/proc/self/fd/%d", f.k.folder.fd) }

// OnHand runs fn on the thread that makes the recording's files, the only one that opens
// anything for writing. What fn takes from the thread, later parts have to do without. It
// is not for a closed File.
func (f *File) OnHand(fn func()) { f.k.hand.Do(fn) }

// Capabilities returns those that it takes to make later parts: under sudo to take on the
// user's rights and to hand files over, and where the folder is not our own to make them.
func (f *File) Capabilities() privilege.Set {
	if f.k.hand.user != nil {
		return privilege.For(privilege.Filing)
	}
	var st unix.Stat_t
	err := unix.Fstat(f.k.folder.fd, &st)
	if err == nil && int(st.Uid) == os.Geteuid() && st.Mode&unix.S_IWUSR != 0 {
		return 0
	}
	return 1 << unix.CAP_DAC_OVERRIDE
}

// Write adds one record. It keeps nothing of r but a copy of a start record, which is to
// be the first: that one begins each part, numbered. Errors are of records too long for
// any reader (1 MiB) and of a closed File, and stay.
func (f *File) Write(r *lifetime.Record) error {
	if err := f.usable(); err != nil {
		return err
	}
	n := len(f.b.data)
	f.b.data, f.bad = appendLine(f.b.data, r, &f.tails)
	if f.bad != nil {
		f.bad = fmt.Errorf("writing recording %q: %w", f.k.path, f.bad)
		return f.bad
	}
	if r.Type == lifetime.Start {
		f.b.start = copyStart(r)
		if !f.begun {
			f.b.data = f.b.data[:n] // the keeper writes it, here as in every part
		}
	}
	if r.Type == lifetime.End {
		f.b.last = true
	}
	f.begun = true
	if len(f.b.data) >= flushAt {
		f.handOver()
	}
	return nil
}

func copyStart(r *lifetime.Record) *lifetime.Record {
	kept, info := *r, *r.Start
	info.Pools = slices.Clone(info.Pools)
	kept.Start = &info
	return &kept
}

// Flush has what was written put into the file, in compressed form too so that it decodes
// as it stands, should the process die. It does not wait for the disk. Call it several
// times a second: while the disk is busy it leaves things to the next call.
func (f *File) Flush() error {
	if err := f.usable(); err != nil {
		return err
	}
	if !f.b.empty() && len(f.k.q.Full) == 0 {
		f.handOver()
	}
	return nil
}

func (f *File) usable() error {
	if f.closed.Load() {
		return fmt.Errorf("writing recording %q: it is closed", f.k.path)
	}
	return f.bad
}

// handOver passes the batch on, or where the disk has stalled drops what it holds.
func (f *File) handOver() {
	if next, ok := f.k.q.Take(); ok {
		f.k.q.Full <- f.b
		f.b = next
		return
	}
	by, clocks := moved(f.b.data)
	f.b.owed += by
	f.b.lost += count(f.b.data) - clocks
	f.b.data = f.b.data[:0]
	f.k.notices.Begin(time.Now(),
		"recording %q: the disk does not keep up: tracing goes on, records are being dropped until it does", f.k.path)
}

// Settle waits until everything written is in the file or given up, and returns how many
// records are missing from the recording so far: what its end record is to tell. On a
// file that cannot be written it makes one attempt.
func (f *File) Settle() uint64 {
	if !f.closed.Load() {
		settled := make(chan uint64)
		f.b.settled = settled
		f.k.q.Full <- f.b // no longer ours
		n := <-settled
		f.b, _ = f.k.q.Take() // all are back
		return n
	}
	return f.k.hole.missing()
}

// Reopen has the recording go on in the file that has its name by now, as SIGHUP asks for
// after logrotate has moved the old one: made anew as Create does if there is none, taken
// if it is empty, a regular file with this one name, and of root or the user for whom the
// recording is made. It begins with a start record of the next part. Otherwise recording
// goes on in the file it has; Notice says why. Records are in the old file or in the new
// one, each in one of them.
//
// It is for any goroutine, and waits for nothing. The error is of a closed File.
func (f *File) Reopen() error {
	if f.closed.Load() {
		return fmt.Errorf("reopening recording %q: it is closed", f.k.path)
	}
	select {
	case f.k.wake <- struct{}{}:
	default: // asked for already, and not begun
	}
	return nil
}

// Close writes what is left, waits until the file is on the disk, and closes it. Waiting
// matters once, at the end: a full quota or a dying disk may speak up only then, and
// whoever is told that the trace is recorded may pull the plug. Records missing in the
// middle are no error, for the recording tells of them; an error says that its end is
// missing, or all of it. A second call returns what the first did.
func (f *File) Close() error {
	if f.closed.Swap(true) {
		return f.err
	}
	f.stop()
	f.k.close()
	f.err = f.k.err
	if f.bad != nil {
		f.err = f.bad
	}
	return f.err
}

// stop has the keeper write what is left and waits for it.
func (f *File) stop() {
	f.b.last = true
	f.k.q.Full <- f.b
	f.b = nil
	close(f.k.q.Full)
	<-f.k.done
}

// Discard closes and removes a recording that is to hold nothing. If the name has come
// to mean another file, as whoever owns a folder on the way can bring about, that file
// stays.
func (f *File) Discard() error {
	if f.closed.Swap(true) {
		return errors.New("removing recording: it is closed")
	}
	f.stop()
	defer f.k.close()
	if err := f.k.folder.remove(f.k.part.name, f.k.part.id); err != nil {
		f.err = fmt.Errorf("removing recording %q: %w", f.k.path, err)
	}
	return f.err
}
