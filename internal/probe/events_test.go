package probe

import (
	"errors"
	"fmt"
	"io"
	"testing"

	"golang.org/x/sys/unix"

	"porttrace/internal/event"
)

// chunks is a reader that returns so many bytes at a time, and answers between them.
type chunks struct {
	data    []byte
	size    int
	answers []error // before each read, in turn; nil: none
	atEnd   error
}

func (c *chunks) Read(p []byte) (int, error) {
	if len(c.answers) > 0 {
		err := c.answers[0]
		c.answers = c.answers[1:]
		if err != nil {
			return 0, err
		}
	}
	if len(c.data) == 0 {
		return 0, c.atEnd
	}
	n := copy(p, c.data[:min(c.size, len(c.data))])
	c.data = c.data[n:]
	return n, nil
}

// row is n events, numbered by their time.
func row(n int) []byte {
	var data []byte
	for i := range n {
		k := valid()
		k.Time = uint64(i + 1)
		data = append(data, bytesOf(k)...)
	}
	return data
}

func TestReadEventsInOddChunks(t *testing.T) {
	again := error(unix.EAGAIN)
	wrapped := fmt.Errorf("read bpf_iter: %w", unix.EAGAIN)
	for name, tc := range map[string]struct {
		n, size int
		answers []error
	}{
		"none":                    {n: 0, size: 1},
		"one":                     {n: 1, size: eventSize},
		"byte by byte":            {n: 3, size: 1},
		"a byte less":             {n: 20, size: eventSize - 1},
		"a byte more":             {n: 20, size: eventSize + 1},
		"one and a half":          {n: 21, size: eventSize * 3 / 2},
		"more than the buffer":    {n: 1000, size: 1 << 20},
		"a page":                  {n: 1000, size: 4096},
		"prime":                   {n: 700, size: 8191},
		"EAGAIN first":            {n: 5, size: 100, answers: []error{again, again, again}},
		"EAGAIN within an event":  {n: 5, size: 100, answers: []error{nil, again, nil, wrapped, again, nil}},
		"EAGAIN, then end":        {n: 0, size: 1, answers: []error{again}},
		"EAGAIN with a big chunk": {n: 300, size: 1 << 20, answers: []error{nil, again}},
	} {
		next := uint64(1)
		err := readEvents(&chunks{row(tc.n), tc.size, tc.answers, io.EOF}, func(e *event.Event) {
			if uint64(e.Time) != next {
				t.Fatalf("%s: event %d came as number %d", name, e.Time, next)
			}
			next++
		}, nil)
		if err != nil || next != uint64(tc.n+1) {
			t.Errorf("%s: %d of %d events, %v", name, next-1, tc.n, err)
		}
	}
}

func TestReadEventsErrors(t *testing.T) {
	torn := errors.New("torn")
	bad := valid()
	bad.Kind = 77
	for name, tc := range map[string]struct {
		data  []byte
		atEnd error
		is    error
		want  string
		told  int
	}{
		"left over":    {row(3)[:2*eventSize+5], io.EOF, errMalformed, "5 bytes left over: malformed event", 2},
		"half of one":  {row(1)[:eventSize/2], io.EOF, errMalformed, fmt.Sprintf("%d bytes left over: malformed event", eventSize/2), 0},
		"read error":   {row(2), torn, torn, "torn", 2},
		"bad event":    {append(row(1), bytesOf(bad)...), io.EOF, errMalformed, "decoding kind 77: malformed event", 1},
		"at once torn": {nil, torn, torn, "torn", 0},
	} {
		told := 0
		err := readEvents(&chunks{data: tc.data, size: 1000, atEnd: tc.atEnd}, func(*event.Event) { told++ }, nil)
		if !errors.Is(err, tc.is) || err.Error() != tc.want || told != tc.told {
			t.Errorf("%s: got %v after %d events, want %s after %d", name, err, told, tc.want, tc.told)
		}
	}
}

// A reader may return its last bytes together with the end.
func TestReadEventsWithDataAndEOFAtOnce(t *testing.T) {
	told := 0
	r := &together{row(3)}
	if err := readEvents(r, func(*event.Event) { told++ }, nil); err != nil || told != 3 {
		t.Errorf("%d events, %v", told, err)
	}
}

type together struct{ data []byte }

func (r *together) Read(p []byte) (int, error) { return copy(p, r.data), io.EOF }

// However an iterator's output is cut into reads, the events are the same.
func FuzzReadEvents(f *testing.F) {
	f.Add(row(3), 7)
	f.Add(row(300), 1<<16)
	f.Add(row(2)[:eventSize+5], 100)
	f.Fuzz(func(t *testing.T, data []byte, size int) {
		read := func(size int) (events []event.Event, err error) {
			r := &chunks{data: data, size: size, atEnd: io.EOF}
			err = readEvents(r, func(e *event.Event) { events = append(events, *e) }, nil)
			return events, err
		}
		whole, errWhole := read(max(1, len(data)))
		cut, errCut := read(1 + size&0xffff)
		if len(whole) != len(cut) || (errWhole == nil) != (errCut == nil) {
			t.Errorf("at once %d events, %v; in parts %d, %v", len(whole), errWhole, len(cut), errCut)
		}
		for i := range min(len(whole), len(cut)) {
			if whole[i] != cut[i] {
				t.Errorf("event %d is %+v, in parts %+v", i, whole[i], cut[i])
			}
		}
	})
}
