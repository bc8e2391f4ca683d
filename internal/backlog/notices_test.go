package backlog

import (
	"fmt"
	"slices"
	"testing"
	"time"
)

func TestNoticesComeInPairsAndNotOften(t *testing.T) {
	var got []string
	n := Notices{
		Say:   func(format string, args ...any) { got = append(got, fmt.Sprintf(format, args...)) },
		Again: func(missing uint64) string { return fmt.Sprintf("again: %d are missing", missing) },
	}
	at := time.Now()
	n.End(0) // nothing was told
	n.Begin(at, "full")
	n.Begin(at.Add(Quiet), "full") // the same hole
	n.End(5)
	n.Begin(at.Add(Quiet-1), "again")
	n.End(7)
	n.Begin(at.Add(Quiet-1), "and again")
	n.Begin(at.Add(Quiet), "and again")
	n.End(8)
	n.Begin(at.Add(3*Quiet), "full")
	n.End(9)
	n.Begin(at.Add(5*Quiet), "full")
	n.End(9)
	want := []string{"full", "again: 5 are missing", "and again", "again: 3 are missing",
		"full", "again: 1 are missing", "full", "again: 0 are missing"}
	if !slices.Equal(got, want) {
		t.Errorf("%q", got)
	}
}
