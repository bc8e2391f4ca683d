package terminal

import (
	"bytes"
	"strings"
	"testing"

	"porttrace/internal/backlog"
	"porttrace/internal/lifetime"
)

// room is a backlog.Out that has some at times.
type room struct {
	bytes.Buffer
	none         bool
	taken, asked uint64
}

func (r *room) Put(lines []byte, n uint64) error {
	r.asked += n
	if r.none {
		return backlog.ErrFull
	}
	r.taken += n
	r.Write(lines)
	return nil
}

func (*room) Flush() error   { return nil }
func (*room) Settle() uint64 { return 0 }
func (*room) Close() error   { return nil }

// Rows for which there is no room are left out, and the header comes back after them.
func TestTableLeavesOutRows(t *testing.T) {
	out := &room{}
	table := New(out, Options{})
	r := &lifetime.Record{Type: lifetime.Assign, Time: epoch, Hold: hold(nil)}
	for _, out.none = range []bool{false, true, true, false, false} {
		for range 2 {
			if err := table.Write(r); err != nil {
				t.Fatal(err)
			}
		}
		if err := table.Flush(); err != nil {
			t.Fatal(err)
		}
	}
	if err := table.Close(); err != nil {
		t.Fatal(err)
	}
	text := out.String()
	if out.taken != 6 || out.asked != 10 || strings.Count(text, "assign") != 6 || strings.Count(text, "EVENT") != 2 {
		t.Errorf("%d of %d rows:\n%s", out.taken, out.asked, text)
	}
}
