package recording

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"reflect"
	"strings"
	"testing"

	"porttrace/internal/lifetime"
	"porttrace/internal/pipeline"
)

// collector is a sink that keeps copies.
type collector struct {
	got  []*lifetime.Record
	stop func() // called at each record
}

func (c *collector) Write(r *lifetime.Record) error {
	c.got = append(c.got, own(r))
	if c.stop != nil {
		c.stop()
	}
	return nil
}

func (c *collector) Flush() error { return nil }

func TestReaderIsASource(t *testing.T) {
	g := newGenerator(7)
	var in []byte
	var want []*lifetime.Record
	for i := range 5000 {
		r := g.record(lifetime.Start + lifetime.Type(i%10))
		in = AppendRecord(in, r)
		want = append(want, r)
	}
	for name, in := range map[string][]byte{"plain": in, "zstd": pack(t, in)} {
		var c collector
		if err := pipeline.Run(context.Background(), NewReader(bytes.NewReader(in)), &c); err != nil {
			t.Fatal(err)
		}
		if !reflect.DeepEqual(c.got, want) {
			t.Errorf("%s: %d records of %d, or different ones", name, len(c.got), len(want))
		}
	}
	bad := append(exampleLines(), "{}\n"...)
	var c collector
	err := pipeline.Run(context.Background(), NewReader(bytes.NewReader(bad)), &c)
	if err == nil || !strings.Contains(err.Error(), fmt.Sprintf("line %d: no \"type\"", len(examples())+1)) || len(c.got) != len(examples()) {
		t.Errorf("%d records, %v", len(c.got), err)
	}
}

func TestStopIsObeyedSoon(t *testing.T) {
	in := stormLines(5000)
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	for name, in := range map[string][]byte{"plain": in, "zstd": pack(t, in)} {
		r := NewReader(bytes.NewReader(in))
		c := collector{stop: cancel}
		if err := pipeline.Run(ctx, r, &c); err != nil || len(c.got) == 0 || len(c.got) > linesPerCall || r.Torn() {
			t.Errorf("%s: %d records, torn %v, %v", name, len(c.got), r.Torn(), err)
		}
		if err := r.Next(func(*lifetime.Record) { t.Error("more") }); err != io.EOF {
			t.Errorf("%s: then %v", name, err)
		}
		r = NewReader(bytes.NewReader(in))
		c = collector{stop: r.Stop}
		if err := pipeline.Run(context.Background(), r, &c); err != nil || len(c.got) != 1 {
			t.Errorf("%s: stopped at the first record: %d, %v", name, len(c.got), err)
		}
	}
}

// A recording that is still being written is shown as far as it goes.
func TestNextWaitsForNoMoreThanThereIs(t *testing.T) {
	in, out := io.Pipe()
	r := NewReader(in)
	go out.Write(exampleLines())
	n := 0
	for n < len(examples()) {
		if err := r.Next(func(*lifetime.Record) { n++ }); err != nil {
			t.Fatal(err)
		}
	}
	go out.CloseWithError(errors.New("broken"))
	if err := r.Next(func(*lifetime.Record) { n++ }); err == nil || n != len(examples()) {
		t.Errorf("%d records, %v", n, err)
	}
}

func TestNextAllocatesNothingForHolds(t *testing.T) {
	// Laid out as ours, and by another tool, with names that need escapes.
	lines := stormLines(4096)
	other := bytes.ReplaceAll(lines, []byte(`,"comm":"`), []byte(`, "comm":"\u00e9`))
	for name, in := range map[string][]byte{"ours": lines, "other": other} {
		r := NewReader(&endless{in: in})
		n := 0
		emit := func(*lifetime.Record) { n++ }
		next := func() {
			if err := r.Next(emit); err != nil {
				t.Fatal(err)
			}
		}
		for n < 3*2*4096 {
			next()
		}
		n = 0
		allocs := testing.AllocsPerRun(100, next)
		if perRecord := allocs * 100 / float64(n); perRecord > 0.01 {
			t.Errorf("%s: %.3f allocations a record", name, perRecord)
		}
	}
}

// endless repeats its input.
type endless struct {
	in []byte
	i  int
}

func (e *endless) Read(b []byte) (int, error) {
	n := copy(b, e.in[e.i:])
	e.i = (e.i + n) % len(e.in)
	return n, nil
}

func TestReadGivesAwayItsRecords(t *testing.T) {
	r := NewReader(bytes.NewReader(stormLines(2)))
	first, err := r.Read()
	if err != nil {
		t.Fatal(err)
	}
	before := *first.Hold
	second, err := r.Read()
	if err != nil {
		t.Fatal(err)
	}
	if first.Hold == second.Hold || *first.Hold != before {
		t.Error("the second record has changed the first")
	}
}
