//go:build linux

package main

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"slices"
	"strings"
	"testing"

	"porttrace/internal/lifetime"
	"porttrace/internal/recording"
)

func readFile(t *testing.T, path string) []byte {
	t.Helper()
	data, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return data
}

// readRecords reads what there is of a recording.
func readRecords(t *testing.T, data []byte) (records []*lifetime.Record, torn bool) {
	t.Helper()
	in := recording.NewReader(bytes.NewReader(data))
	for {
		r, err := in.Read()
		if errors.Is(err, io.EOF) {
			return records, in.Torn()
		}
		if err != nil {
			t.Fatal(err)
		}
		records = append(records, r)
	}
}

// whole checks that a recording is complete, lacks no line and tells the truth about
// itself, and returns its records.
func whole(t *testing.T, data []byte) []*lifetime.Record {
	t.Helper()
	records := wholeButLost(t, data)
	if end := records[len(records)-1].End; (end.Lost != 0 || !end.Complete) && !isKernels(t, records) {
		t.Fatalf("the recording says %+v, want complete", *end)
	}
	return records
}

// lostOf is what a whole trace's last line says of losses.
func lostOf(records []*lifetime.Record) string {
	if end := records[len(records)-1].End; end.Lost != 0 {
		return fmt.Sprintf(", %d event", end.Lost)
	}
	return ", nothing lost"
}

// isKernels says whether all that was lost is what the kernel shows to no hook (while a
// protected task runs, or a hook interrupts itself in somebody's storm): rare, said, put
// right, and nothing a test can prevent. Of what is hidden some may be taken for a fault.
func isKernels(t *testing.T, records []*lifetime.Record) bool {
	t.Helper()
	var unseen uint64
	for _, r := range ofType(records, lifetime.Lost) {
		if r.Lost.Where == "hidden" || r.Lost.Where == "recursion" {
			unseen += r.Lost.Events
		}
	}
	t.Logf("the kernel kept %d events from us", unseen)
	end := records[len(records)-1].End
	const few = 10
	return unseen > 0 && unseen <= few+(end.BeforeStart+end.Assigned)/20 && end.Lost == unseen && end.Discrepancies <= unseen
}

// wholeButLost is whole for a recording of a trace that lost events.
func wholeButLost(t *testing.T, data []byte) []*lifetime.Record {
	t.Helper()
	records, torn := readRecords(t, data)
	if torn || len(records) < 2 {
		t.Fatalf("the recording is torn (%v) or too short:\n%s", torn, data)
	}
	if records[0].Type != lifetime.Start {
		t.Errorf("the first record is of type %d, want start", records[0].Type)
	}
	end := records[len(records)-1].End
	if end == nil {
		t.Fatalf("the last record is no end:\n%s", data)
	}
	count := func(typ lifetime.Type) uint64 { return uint64(len(ofType(records, typ))) }
	if end.BeforeStart != count(lifetime.HeldAtStart) || end.Assigned != count(lifetime.Assign) ||
		end.Released != count(lifetime.Release) || end.Held != count(lifetime.HeldAtEnd) || end.Failures != count(lifetime.Failure) {
		t.Errorf("the end says %+v, and the lines say otherwise:\n%s", *end, data)
	}
	return records
}

// wantJSONLines checks that every line is one JSON object that begins with its type and
// time, and that the lines read and written again are the same bytes.
func wantJSONLines(t *testing.T, data []byte) {
	t.Helper()
	for line := range bytes.Lines(data) {
		if !json.Valid(line) || !bytes.HasPrefix(line, []byte(`{"type":"`)) || !bytes.HasSuffix(line, []byte("}\n")) {
			t.Errorf("this is no line of a recording: %q", line)
		}
		if _, rest, _ := bytes.Cut(line, []byte(",")); !bytes.HasPrefix(rest, []byte(`"time":"`)) {
			t.Errorf("time is not second: %q", line)
		}
	}
	records, _ := readRecords(t, data)
	var again bytes.Buffer
	w := recording.NewWriter(&again)
	for _, r := range records {
		if err := w.Write(r); err != nil {
			t.Fatal(err)
		}
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(again.Bytes(), data) {
		t.Errorf("read and written again it differs:\n%s\nwant:\n%s", &again, data)
	}
}

func ofType(records []*lifetime.Record, typ lifetime.Type) []*lifetime.Record {
	var found []*lifetime.Record
	for _, r := range records {
		if r.Type == typ {
			found = append(found, r)
		}
	}
	return found
}

// own returns the records of a type about holds in the client's namespace.
func (c *clientProcess) own(records []*lifetime.Record, typ lifetime.Type) []*lifetime.Record {
	found := ofType(records, typ)
	return slices.DeleteFunc(found, func(r *lifetime.Record) bool { return r.Hold == nil || r.Hold.NetNS != c.ns.Inode })
}

func ports(records []*lifetime.Record) []uint16 {
	var all []uint16
	for _, r := range records {
		all = append(all, r.Hold.Port)
	}
	slices.Sort(all)
	return all
}

// wantLifetimes checks that the records tell of exactly these ports in the client's
// namespace, each assigned and released once.
func (c *clientProcess) wantLifetimes(records []*lifetime.Record, want []uint16) {
	c.t.Helper()
	want = slices.Sorted(slices.Values(want))
	assigned, released := c.own(records, lifetime.Assign), c.own(records, lifetime.Release)
	if got := ports(assigned); !slices.Equal(got, want) {
		c.t.Errorf("assigned are %d, want %d", got, want)
	}
	if got := ports(released); !slices.Equal(got, want) {
		c.t.Errorf("released are %d, want %d", got, want)
	}
	for _, r := range append(assigned, released...) {
		if o := r.Hold.Owner; int(o.PID) != c.pid || o.UID != uint32(os.Geteuid()) || o.Comm == "" {
			c.t.Errorf("the owner of %d is %+v, want process %d", r.Hold.Port, o, c.pid)
		}
		if r.Hold.Dst.String() != "127.0.0.1:7777" || r.Hold.Src.String() != "127.0.0.1" {
			c.t.Errorf("port %d goes from %v to %v", r.Hold.Port, r.Hold.Src, r.Hold.Dst)
		}
	}
}

// waitLines waits until the recording of a running trace has n lines that contain text.
func (p *process) waitLines(name string, n int, text string) {
	p.t.Helper()
	p.until(text+" is recorded", func() bool {
		data, err := os.ReadFile(p.path(name))
		return err == nil && strings.Count(string(data), text) >= n
	})
}

// wantHeld checks that these ports were assigned and held until the end.
func (c *clientProcess) wantHeld(records []*lifetime.Record, want []uint16) {
	c.t.Helper()
	assigned, held := ports(c.own(records, lifetime.Assign)), ports(c.own(records, lifetime.HeldAtEnd))
	for _, port := range want {
		if !slices.Contains(assigned, port) || !slices.Contains(held, port) {
			c.t.Errorf("%d is not assigned and held: assigned are %d, held %d", port, assigned, held)
		}
	}
}
