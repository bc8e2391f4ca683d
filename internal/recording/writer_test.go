package recording

import (
	"bytes"
	"errors"
	"strings"
	"testing"

	"porttrace/internal/lifetime"
)

// chunks keeps each write apart.
type chunks struct {
	got   [][]byte
	after int // writes until err
	err   error
}

func (c *chunks) Write(p []byte) (int, error) {
	if c.err != nil && len(c.got) >= c.after {
		return 0, c.err
	}
	c.got = append(c.got, bytes.Clone(p))
	return len(p), nil
}

func TestWriterWritesWholeLines(t *testing.T) {
	out := &chunks{}
	w := NewWriter(out)
	g := newGenerator(5)
	var want []byte
	for i := range 3000 {
		r := g.record(lifetime.Start + lifetime.Type(i%10))
		want = AppendRecord(want, r)
		if err := w.Write(r); err != nil {
			t.Fatal(err)
		}
	}
	if len(out.got) < 2 {
		t.Fatalf("%d writes before any flush of %d bytes", len(out.got), len(want))
	}
	if err := errors.Join(w.Flush(), w.Flush(), w.Close(), w.Close()); err != nil {
		t.Fatal(err)
	}
	for i, chunk := range out.got {
		if len(chunk) == 0 || chunk[len(chunk)-1] != '\n' || chunk[0] != '{' {
			t.Fatalf("write %d is not of whole lines", i)
		}
		if i < len(out.got)-1 && len(chunk) < flushAt {
			t.Errorf("write %d of only %d bytes", i, len(chunk))
		}
	}
	if !bytes.Equal(bytes.Join(out.got, nil), want) {
		t.Error("the lines differ")
	}
}

func TestFlushMakesDecodable(t *testing.T) {
	var buf bytes.Buffer
	w, err := NewZstdWriter(&buf)
	if err != nil {
		t.Fatal(err)
	}
	g := newGenerator(6)
	for n := range 3000 {
		if err := w.Write(g.record(lifetime.Release)); err != nil {
			t.Fatal(err)
		}
		if n%500 != 0 {
			continue
		}
		if err := w.Flush(); err != nil {
			t.Fatal(err)
		}
		if got, torn, err := read(buf.Bytes()); err != nil || !torn || len(got) != n+1 {
			t.Fatalf("after %d records: %d, torn %v, %v", n+1, len(got), torn, err)
		}
		size := buf.Len()
		if err := w.Flush(); err != nil || buf.Len() != size {
			t.Errorf("a second flush wrote %d bytes, %v", buf.Len()-size, err)
		}
	}
}

func TestWriterErrorsStay(t *testing.T) {
	full := errors.New("no space left on device")
	out := &chunks{}
	w := NewWriter(out)
	r := examples()[0]
	if err := errors.Join(w.Write(r), w.Flush(), w.Write(r)); err != nil {
		t.Fatal(err)
	}
	out.err, out.after = full, 0
	n := len(out.got)
	first := w.Flush()
	if !errors.Is(first, full) || !strings.HasPrefix(first.Error(), "writing recording: ") {
		t.Fatal(first)
	}
	out.err = nil // even if there is room again: the line in between is torn
	if w.Write(r) != first || w.Flush() != first || w.Close() != first || len(out.got) != n {
		t.Error("the error did not stay")
	}
}

func TestWriterRefusesWhatNoReaderTakes(t *testing.T) {
	out := &chunks{}
	w := NewWriter(out)
	r := &lifetime.Record{Type: lifetime.Lost, Lost: &lifetime.LostInfo{Where: strings.Repeat("x", maxLine-67)}}
	for len(AppendRecord(nil, r)) < maxLine {
		r.Lost.Where += "x"
	}
	if err := errors.Join(w.Write(r), w.Flush()); err != nil {
		t.Fatal(err)
	}
	if got := readAll(t, bytes.NewReader(out.got[0])); len(got) != 1 {
		t.Fatal("the longest line does not read back")
	}
	r.Lost.Where += "x"
	if err := w.Write(r); err == nil {
		t.Error("a line too long was taken")
	}
}

func TestAppendRecordAllocatesNothing(t *testing.T) {
	buf := make([]byte, 0, 1<<16)
	for _, r := range examples() {
		if n := testing.AllocsPerRun(10, func() { AppendRecord(buf, r) }); n != 0 {
			t.Errorf("type %d: %v allocations", r.Type, n)
		}
	}
}
