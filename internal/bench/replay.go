package main

import (
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"runtime"
	"time"

	"golang.org/x/sys/unix"

	"porttrace/internal/event"
	"porttrace/internal/ktime"
	"porttrace/internal/lifetime"
	"porttrace/internal/owner"
	"porttrace/internal/recording"
)

// pass is one way through a recording.
type pass struct {
	lifetimes uint64 // that begin in it
	records   uint64
	events    uint64 // of the tracker
	cpu       time.Duration
}

func (p *pass) count(r *lifetime.Record) {
	p.records++
	if r.Type == lifetime.Assign || r.Type == lifetime.HeldAtStart {
		p.lifetimes++
	}
}

// processCPU is what this process has used so far, user and system.
func processCPU() time.Duration {
	var ts unix.Timespec
	if err := unix.ClockGettime(unix.CLOCK_PROCESS_CPUTIME_ID, &ts); err != nil {
		panic("bench: CLOCK_PROCESS_CPUTIME_ID is not there: " + err.Error())
	}
	return time.Duration(ts.Nano())
}

// readThrough reads a recording, plain or compressed, and does nothing with it.
func readThrough(path string) (p pass, err error) {
	file, err := os.Open(path)
	if err != nil {
		return p, fmt.Errorf("opening the recording: %w", err)
	}
	defer file.Close()
	runtime.GC() // what came before is not to be paid for here
	began := processCPU()
	r := recording.NewReader(file)
	for err == nil {
		err = r.Next(p.count)
	}
	p.cpu = processCPU() - began
	return p, proper(r, err)
}

// proper is the error of a reader that should have come to a proper end.
func proper(r *recording.Reader, err error) error {
	switch {
	case !errors.Is(err, io.EOF):
		return err
	case r.Torn():
		return errors.New("the recording has no proper end")
	}
	return nil
}

// packed compresses a recording the way porttrace -o x.zst does, and returns the copy.
func packed(path string) (string, error) {
	fail := func(err error) (string, error) { return "", fmt.Errorf("compressing the recording: %w", err) }
	in, err := os.Open(path)
	if err != nil {
		return fail(err)
	}
	defer in.Close()
	name := filepath.Join(filepath.Dir(path), "kept.jsonl.zst")
	if err := os.Remove(name); err != nil && !errors.Is(err, os.ErrNotExist) {
		return fail(err)
	}
	out, err := recording.Create(name, recording.Options{})
	if err != nil {
		return fail(err)
	}
	missing, err := copyRecords(out, recording.NewReader(in))
	if err := errors.Join(err, out.Close()); err != nil {
		return fail(err)
	}
	if missing > 0 {
		return fail(fmt.Errorf("the disk took %d records less than there are", missing))
	}
	return name, nil
}

// copyRecords waits for the file now and then: a File drops what it has no room for
// rather than keep a tracer waiting, and here records come faster than any kernel tells.
func copyRecords(out *recording.File, in *recording.Reader) (missing uint64, err error) {
	const together = 16 << 10 // records; some 6 MB of the 16 that a File holds
	var n int
	var werr error
	for err == nil && werr == nil {
		err = in.Next(func(r *lifetime.Record) {
			if werr == nil {
				werr = out.Write(r)
			}
			n++
		})
		if n >= together {
			missing, n = out.Settle(), 0
		}
	}
	return max(missing, out.Settle()), errors.Join(proper(in, err), werr)
}

// tracked feeds a tracker with what the kernel may have told to have this recorded.
// Only the tracker's time counts, owners put in people's terms included.
func tracked(path string) (p pass, err error) {
	file, err := os.Open(path)
	if err != nil {
		return p, fmt.Errorf("opening the recording: %w", err)
	}
	defer file.Close()
	owners := owner.NewResolver()
	defer owners.Close()
	tracker := lifetime.NewTracker(new(ktime.Clock), owners, false, func(*lifetime.Record) {})
	var want lifetime.Totals
	var some []event.Event
	runtime.GC()
	for r := recording.NewReader(file); err == nil; {
		err = r.Next(func(rec *lifetime.Record) {
			p.count(rec)
			countIn(&want, rec)
			if e, ok := eventOf(rec); ok {
				some = append(some, e)
			}
		})
		p.cpu += handle(tracker, some)
		p.events += uint64(len(some))
		some = some[:0]
		if err != nil {
			err = proper(r, err)
			break
		}
	}
	began := processCPU()
	tracker.Finish(ktime.Now())
	p.cpu += processCPU() - began
	if got := tracker.Totals(); err == nil && (got.Assigned != want.Assigned || got.Released != want.Released) {
		err = fmt.Errorf("the tracker made %+v of the recording's %+v", got, want)
	}
	return p, err
}

func handle(tracker *lifetime.Tracker, some []event.Event) time.Duration {
	if len(some) == 0 {
		return 0
	}
	began := processCPU()
	for i := range some {
		tracker.Handle(&some[i])
	}
	tracker.Advance(some[len(some)-1].Time) // as after each look into the ring
	return processCPU() - began
}

func countIn(t *lifetime.Totals, r *lifetime.Record) {
	switch r.Type {
	case lifetime.HeldAtStart:
		t.BeforeStart++
	case lifetime.Assign:
		t.Assigned++
	case lifetime.Release:
		t.Released++
	}
}
