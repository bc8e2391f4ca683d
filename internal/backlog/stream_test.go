package backlog

import (
	"errors"
	"fmt"
	"io"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"
)

// reader is a writer whose writes are taken while it is open.
type reader struct {
	mu   sync.Mutex
	got  strings.Builder
	gate chan struct{} // one token a write; closed: as many as there are
	err  error
}

func newReader() *reader { return &reader{gate: make(chan struct{})} }

func (r *reader) Write(p []byte) (int, error) {
	<-r.gate
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.err != nil {
		return 0, r.err
	}
	return r.got.Write(p)
}

func (r *reader) text() string {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.got.String()
}

const queued = 2

func newStream(w io.Writer) (s *Stream, said func() string) {
	var mu sync.Mutex
	var lines []string
	s = New(w, Options{Name: "it", Record: "row", Batches: queued, Notice: func(format string, args ...any) {
		mu.Lock()
		defer mu.Unlock()
		lines = append(lines, fmt.Sprintf(format, args...))
	}})
	return s, func() string {
		mu.Lock()
		defer mu.Unlock()
		return strings.Join(lines, "; ")
	}
}

var line = strings.Repeat("x", 99) + "\n"

// fill puts lines until there is no room, and returns how many there was room for.
func fill(t *testing.T, s *Stream) (n uint64) {
	t.Helper()
	for ; ; n++ {
		if err := s.Put([]byte(line), 1); err != nil {
			if err != ErrFull {
				t.Fatal(err)
			}
			return n
		}
	}
}

func TestStreamOfReader(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newReader()
		close(r.gate)
		s, said := newStream(r)
		for n := range 10 {
			if err := s.Put([]byte(line), 1); err != nil {
				t.Fatal(err)
			}
			synctest.Wait()
			if want := strings.Repeat(line, n+1); r.text() != want {
				t.Fatalf("%d lines are written %d bytes", n+1, len(r.text()))
			}
		}
		if n := s.Settle(); n != 0 || s.Close() != nil || s.Close() != nil || said() != "" {
			t.Errorf("%d missing, %q", n, said())
		}
		if s.Put([]byte(line), 1) == nil {
			t.Error("it is closed")
		}
	})
}

// What was put is written without more being put, whatever its writer was at just then.
func TestStreamKeepsNothingBack(t *testing.T) {
	for batches := 1; batches < 4; batches++ {
		synctest.Test(t, func(t *testing.T) {
			r := newReader()
			s := New(r, Options{Batches: batches})
			for n := range 5 {
				if err := s.Put([]byte(line), 1); err != nil {
					t.Fatal(err)
				}
				if n%2 == 0 {
					synctest.Wait()
				}
			}
			close(r.gate)
			synctest.Wait()
			if want := strings.Repeat(line, 5); r.text() != want {
				t.Errorf("%d batches: %d bytes are written, want %d", batches, len(r.text()), len(want))
			}
			if err := s.Close(); err != nil {
				t.Error(err)
			}
		})
	}
}

func TestStreamThatIsReadAgain(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newReader()
		s, said := newStream(r)
		n := fill(t, s)
		// The first batches are handed over before they are full.
		if least := uint64((queued - 1) * (batchSize - len(line)) / len(line)); n < least {
			t.Errorf("room for %d lines, want %d", n, least)
		}
		if said() != "it is not being read: rows are left out" {
			t.Errorf("%q", said())
		}
		for range 9 { // too little to fill what has room for no more
			if err := s.Put([]byte("y\n"), 2); err != ErrFull {
				t.Error(err)
			}
			_ = s.Flush()
		}
		close(r.gate)
		synctest.Wait()
		if err := s.Put([]byte(line), 1); err != nil {
			t.Fatal(err)
		}
		if want := "it is not being read: rows are left out; it is read again: 19 rows left out"; said() != want {
			t.Errorf("%q", said())
		}
		missing := s.Settle()
		if want := strings.Repeat(line, int(n)+1); missing != 19 || s.Missing() != 19 || r.text() != want || s.Close() != nil {
			t.Errorf("%d missing, %d bytes written, want %d", missing, len(r.text()), len(want))
		}
	})
}

// Whoever does not read cannot keep it from ending, nor can one who reads too slowly.
func TestStreamEnds(t *testing.T) {
	for name, tc := range map[string]struct {
		every time.Duration
		least time.Duration
		most  time.Duration
	}{
		"stuck":  {0, patience, patience},
		"slow":   {patience - 1, longest, longest + patience},
		"pauses": {pause + 1, patience, patience},
		"slowly": {patience / 8, patience, longest - 1},
	} {
		synctest.Test(t, func(t *testing.T) {
			r := newReader()
			s, _ := newStream(r)
			n := fill(t, s)
			stop := make(chan struct{})
			if tc.every > 0 {
				go func() {
					for {
						select {
						case <-time.After(tc.every):
							select {
							case r.gate <- struct{}{}:
							default:
							}
						case <-stop:
							return
						}
					}
				}()
			}
			began := time.Now()
			missing, err := s.Settle(), s.Close()
			took := time.Since(began)
			if took < tc.least || took > tc.most {
				t.Errorf("%s: it took %v", name, took)
			}
			if seen := uint64(len(r.text()) / len(line)); seen+missing != n+1 {
				t.Errorf("%s: %d of %d lines are written, %d missing", name, seen, n+1, missing)
			}
			if name == "slowly" {
				if err != nil || missing != 1 {
					t.Errorf("%d missing, %v", missing, err)
				}
			} else if want := fmt.Sprintf("it is not being read: %d rows left out in all", missing); err == nil || err.Error() != want {
				t.Errorf("%s: %v, want %s", name, err, want)
			}
			close(stop)
			synctest.Wait()
			if tc.every < patience/2 && tc.every > 0 {
				return
			}
			seen := r.text()
			close(r.gate)
			synctest.Wait()
			if more := len(r.text()) - len(seen); more > chunkSize {
				t.Errorf("%s: after it was given up it wrote %d bytes", name, more)
			}
		})
	}
}

// Once the end has begun lines wait for room.
func TestStreamWaitsAtTheEnd(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newReader()
		s, _ := newStream(r)
		n := fill(t, s)
		s.End()
		go func() {
			time.Sleep(patience / 2)
			close(r.gate)
		}()
		for range n {
			if err := s.Put([]byte(line), 1); err != nil {
				t.Fatal(err)
			}
		}
		if missing := s.Settle(); missing != 1 || len(r.text()) != int(2*n)*len(line) || s.Close() != nil {
			t.Errorf("%d missing, %d bytes written", missing, len(r.text()))
		}
	})
}

func TestStreamThatBreaks(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newReader()
		r.err = errors.New("broken")
		s, said := newStream(r)
		fill(t, s)
		close(r.gate)
		synctest.Wait()
		for _, err := range []error{s.Put([]byte(line), 1), s.Flush(), s.Close()} {
			if err != r.err {
				t.Error(err)
			}
		}
		if strings.Contains(said(), "again") {
			t.Error(said())
		}
	})
}

func TestPutAllocatesNothing(t *testing.T) {
	s, _ := newStream(io.Discard)
	defer s.Close()
	lines := []byte(strings.Repeat(line, 10))
	put := func() {
		if err := s.Put(lines, 10); err != nil && err != ErrFull {
			t.Fatal(err)
		}
	}
	for range 10_000 {
		put() // the batches get as large as they will
	}
	if n := testing.AllocsPerRun(10_000, put); n != 0 {
		t.Errorf("%v allocations", n)
	}
}
