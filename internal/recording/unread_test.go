package recording

import (
	"bytes"
	"errors"
	"io"
	"testing"
	"time"

	"porttrace/internal/backlog"
	"porttrace/internal/ktime"
	"porttrace/internal/lifetime"
)

// room is a backlog.Out that has some at times.
type room struct {
	bytes.Buffer
	none bool
	told uint64
}

func (r *room) Put(lines []byte, n uint64) error {
	if r.none {
		return backlog.ErrFull
	}
	r.told += n
	r.Write(lines)
	return nil
}

func (*room) Flush() error   { return nil }
func (*room) Settle() uint64 { return 0 }
func (*room) Close() error   { return nil }

// Where nobody reads, what is missing is told at its place, however often there is no room,
// and no clock record is missing.
func TestWriterTellsOfHoles(t *testing.T) {
	out := &room{}
	w := NewWriter(out)
	at := ktime.WallOf(time.Unix(1_800_000_000, 0))
	records := func(n int) {
		t.Helper()
		for range n {
			r := *examples()[9]
			at += ktime.Wall(time.Second)
			r.Time = at
			if err := w.Write(&r); err != nil {
				t.Fatal(err)
			}
		}
		if err := w.Flush(); err != nil {
			t.Fatal(err)
		}
	}
	set := func(by time.Duration) {
		t.Helper()
		from := at
		at += ktime.Wall(by)
		if err := w.Write(&lifetime.Record{Type: lifetime.Clock, Time: at, Clock: &lifetime.ClockInfo{From: from}}); err != nil {
			t.Fatal(err)
		}
	}
	records(3)
	out.none = true
	records(2)
	set(time.Hour)
	records(4)
	set(-time.Minute)
	records(0)
	records(1)
	out.none = false
	records(5)
	out.none = true
	records(2)
	out.none = false
	records(0)
	if err := errors.Join(w.Close(), w.Close()); err != nil {
		t.Fatal(err)
	}

	var got []lifetime.Type
	var lost []uint64
	var moved time.Duration
	var last ktime.Wall
	in := NewReader(&out.Buffer)
	for {
		r, err := in.Read()
		if err == io.EOF {
			break
		}
		if err != nil {
			t.Fatal(err)
		}
		if r.Time-ktime.Wall(moved) < last {
			t.Errorf("record %d is out of order", len(got))
		}
		got = append(got, r.Type)
		switch r.Type {
		case lifetime.Lost:
			lost = append(lost, r.Lost.Events)
			if r.Lost.Where != "recording" {
				t.Errorf("lost: %+v", *r.Lost)
			}
		case lifetime.Clock:
			moved += r.Time.Sub(r.Clock.From)
		}
		last = r.Time - ktime.Wall(moved)
	}
	if len(got) != 3+2+5+1 || got[3] != lifetime.Lost || got[4] != lifetime.Clock || got[10] != lifetime.Lost {
		t.Errorf("the records are of types %v", got)
	}
	if len(lost) != 2 || lost[0] != 7 || lost[1] != 2 || moved != time.Hour-time.Minute || out.told != 8 {
		t.Errorf("lost %v, the clock was set by %v, %d told", lost, moved, out.told)
	}
}
