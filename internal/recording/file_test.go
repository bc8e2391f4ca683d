package recording

import (
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"porttrace/internal/backlog"
	"porttrace/internal/lifetime"
)

// heard are the notices of a File.
type heard struct {
	mu    sync.Mutex
	lines []string
}

func (h *heard) notice(format string, args ...any) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.lines = append(h.lines, fmt.Sprintf(format, args...))
}

func (h *heard) all() []string {
	h.mu.Lock()
	defer h.mu.Unlock()
	return slices.Clone(h.lines)
}

func (h *heard) have(part string) bool {
	return slices.ContainsFunc(h.all(), func(s string) bool { return strings.Contains(s, part) })
}

// eventually waits for what another goroutine or the kernel brings about.
func eventually(t *testing.T, what string, ok func() bool) {
	t.Helper()
	for end := time.Now().Add(30 * time.Second); !ok(); time.Sleep(time.Millisecond) {
		if time.Now().After(end) {
			t.Fatalf("not within 30 seconds: %s", what)
		}
	}
}

// forms are the names of the two forms of a recording.
var forms = []string{"x.jsonl", "x.jsonl.zst"}

func create(t *testing.T, path string, opts Options) (*File, *heard) {
	t.Helper()
	h := &heard{}
	opts.Notice = h.notice
	f, err := Create(path, opts)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { f.Close() })
	return f, h
}

// numbered records: their ids tell which of them are in a file.
func write(t *testing.T, f *File, from, to int) {
	t.Helper()
	for i := from; i < to; i++ {
		r := *examples()[9]
		hold := *r.Hold
		hold.ID = uint64(i)
		r.Hold = &hold
		if err := f.Write(&r); err != nil {
			t.Fatal(err)
		}
	}
}

func begin(t *testing.T, f *File) {
	t.Helper()
	if err := f.Write(examples()[0]); err != nil {
		t.Fatal(err)
	}
}

// contents is what a recording holds, read in order.
type contents struct {
	starts []int // their parts
	ids    []int
	lost   []int // records missing, each place
	torn   bool
	ended  bool // the last record is the end
}

func (c *contents) missing() (sum int) {
	for _, n := range c.lost {
		sum += n
	}
	return sum
}

func contentsOf(t *testing.T, path string) *contents {
	t.Helper()
	in, err := os.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	defer in.Close()
	c := &contents{}
	r := NewReader(in)
	for {
		rec, err := r.Read()
		if err == io.EOF {
			c.torn = r.Torn()
			return c
		}
		if err != nil {
			t.Fatalf("%s: %v", path, err)
		}
		c.ended = rec.Type == lifetime.End
		switch rec.Type {
		case lifetime.Start:
			c.starts = append(c.starts, rec.Start.Part)
		case lifetime.Lost:
			if rec.Lost.Where != "recording" || rec.Lost.Reconciled != -1 {
				t.Errorf("lost: %+v", rec.Lost)
			}
			c.lost = append(c.lost, int(rec.Lost.Events))
		case lifetime.Release:
			c.ids = append(c.ids, int(rec.Hold.ID))
		}
	}
}

// bytesOf returns a whole file.
func bytesOf(t *testing.T, path string) []byte {
	t.Helper()
	in, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return in
}

// series checks for the ids from 0 to n, each once and in order, apart from gaps.
func series(t *testing.T, ids []int, n, gaps int) {
	t.Helper()
	if !slices.IsSorted(ids) || len(slices.Compact(slices.Clone(ids))) != len(ids) {
		t.Error("records are twice there, or out of order")
	}
	if len(ids)+gaps != n {
		t.Errorf("%d records and %d missing, of %d", len(ids), gaps, n)
	}
}

func TestFlushReachesTheFile(t *testing.T) {
	for _, name := range forms {
		path := filepath.Join(t.TempDir(), name)
		f, _ := create(t, path, Options{})
		begin(t, f)
		for n := range 20 {
			write(t, f, n*100, n*100+100)
			eventually(t, "what was flushed is in the file", func() bool {
				if err := f.Flush(); err != nil { // again and again, as it is used
					t.Fatal(err)
				}
				return len(contentsOf(t, path).ids) == n*100+100
			})
		}
		if missing := f.Settle(); missing != 0 {
			t.Errorf("%d missing", missing)
		}
		if err := f.Close(); err != nil {
			t.Error(err)
		}
		c := contentsOf(t, path)
		series(t, c.ids, 2000, 0)
		if c.torn || len(c.lost) != 0 || !slices.Equal(c.starts, []int{0}) {
			t.Errorf("%+v", c)
		}
	}
}

func TestStartAloneReachesTheFile(t *testing.T) {
	path := filepath.Join(t.TempDir(), "x.jsonl")
	f, _ := create(t, path, Options{})
	begin(t, f)
	if err := f.Flush(); err != nil {
		t.Fatal(err)
	}
	f.Settle()
	got, err := os.ReadFile(path)
	if want := AppendRecord(nil, examples()[0]); err != nil || string(got) != string(want) {
		t.Errorf("%q, %v", got, err)
	}
}

func TestClosedFile(t *testing.T) {
	f, _ := create(t, filepath.Join(t.TempDir(), "x"), Options{})
	if err := errors.Join(f.Close(), f.Close()); err != nil {
		t.Fatal(err)
	}
	for what, err := range map[string]error{
		"write": f.Write(examples()[1]), "flush": f.Flush(), "reopen": f.Reopen(), "discard": f.Discard(),
	} {
		if err == nil || !strings.Contains(err.Error(), "closed") {
			t.Errorf("%s: %v", what, err)
		}
	}
	if f.Settle() != 0 {
		t.Error("records are missing")
	}
}

func TestFileRefusesWhatNoReaderTakes(t *testing.T) {
	path := filepath.Join(t.TempDir(), "x.jsonl")
	f, _ := create(t, path, Options{})
	write(t, f, 0, 5)
	long := &lifetime.Record{Type: lifetime.Lost, Lost: &lifetime.LostInfo{Where: strings.Repeat("x", maxLine)}}
	first := f.Write(long)
	if first == nil || f.Write(examples()[1]) != first || f.Flush() != first || f.Close() != first {
		t.Error(first)
	}
	series(t, contentsOf(t, path).ids, 5, 0)
}

// stall makes the disk of f one that takes nothing until go on is called.
func stall(f *File) (goOn func()) {
	gate := make(chan struct{})
	write := f.k.part.write
	f.k.part.write = func(b []byte) (int, error) {
		<-gate
		return write(b)
	}
	return sync.OnceFunc(func() { close(gate) })
}

func TestStalledDisk(t *testing.T) {
	for _, name := range forms {
		path := filepath.Join(t.TempDir(), name)
		f, h := create(t, path, Options{})
		goOn := stall(f)
		defer goOn()
		begin(t, f)
		n := 0
		for !h.have("does not keep up: tracing goes on") {
			write(t, f, n, n+1000) // would hang if the disk could block it
			f.Flush()
			n += 1000
		}
		if size := n * len(AppendRecord(nil, examples()[9])); size < queueLen*flushAt {
			t.Errorf("dropping after only %d bytes", size)
		}
		write(t, f, n, n+100_000)
		n += 100_000
		goOn()
		missing := f.Settle()
		write(t, f, n, n+10)
		if err := f.Close(); err != nil {
			t.Error(err)
		}
		c := contentsOf(t, path)
		series(t, c.ids, n+10, int(missing))
		if missing == 0 || len(c.lost) != 1 || c.missing() != int(missing) || c.ids[len(c.ids)-1] != n+9 || c.torn {
			t.Errorf("%d missing, told %v", missing, c.lost)
		}
		if got := h.all(); len(got) != 2 || got[1] != fmt.Sprintf("recording again: %d records are missing", missing) {
			t.Errorf("%q", got)
		}
		if made := f.k.q.Made(); made > backlog.Spares+1 {
			t.Errorf("%d buffers are kept", made)
		}
	}
}

// A slow trickle must not fill the queue with batches of a few bytes each.
func TestStalledDiskWithLittleToWrite(t *testing.T) {
	f, h := create(t, filepath.Join(t.TempDir(), "x.jsonl"), Options{})
	goOn := stall(f)
	defer goOn()
	for i := range 10 * queueLen {
		write(t, f, i, i+1)
		f.Flush()
	}
	goOn()
	if err := f.Close(); err != nil || f.Settle() != 0 || len(h.all()) != 0 {
		t.Errorf("%v, %q", err, h.all())
	}
	series(t, contentsOf(t, f.Name()).ids, 10*queueLen, 0)
}
