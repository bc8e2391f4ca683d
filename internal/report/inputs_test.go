package report

import (
	"bytes"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/klauspost/compress/zstd"

	"porttrace/internal/event"
	"porttrace/internal/lifetime"
	"porttrace/internal/pipeline"
)

// pack compresses as the tracer does, in frames.
func pack(t *testing.T, data []byte) []byte {
	t.Helper()
	z, err := zstd.NewWriter(nil)
	if err != nil {
		t.Fatal(err)
	}
	var out []byte
	for frame := range slices.Chunk(data, 64<<10) {
		out = z.EncodeAll(frame, out)
	}
	return out
}

// However a recording comes, the report is the same.
func TestOneReportOfManyForms(t *testing.T) {
	s := newStorm(7, 31, 17)
	records := s.records(2000)
	data := encode(records)
	var want bytes.Buffer
	write := func(s *Summary, to *bytes.Buffer) {
		s.Recordings = slices.Clone(s.Recordings)
		for i := range s.Recordings {
			s.Recordings[i].Files = nil
		}
		if err := s.WriteJSON(to); err != nil {
			t.Fatal(err)
		}
	}
	write(reportOn(t, Options{}, data), &want)
	parts := func(n int) (out [][]byte) {
		size := (len(records) + n - 1) / n
		for i := range n {
			chunk := records[i*size : min((i+1)*size, len(records))]
			start := *records[0]
			info := *start.Start
			info.Part, start.Start, start.Time = i+1, &info, chunk[0].Time
			if i == 0 {
				chunk = chunk[1:]
			}
			out = append(out, encode(append([]*lifetime.Record{&start}, chunk...)))
		}
		slices.Reverse(out)
		return out
	}
	for name, files := range map[string][][]byte{
		"zstd":         {pack(t, data)},
		"three parts":  parts(3),
		"eleven parts": parts(11),
		"mixed":        {pack(t, parts(2)[0]), parts(2)[1]},
	} {
		var got bytes.Buffer
		write(reportOn(t, Options{}, files...), &got)
		if !bytes.Equal(got.Bytes(), want.Bytes()) {
			t.Errorf("%s: the report is\n%s\nwant\n%s", name, &got, &want)
		}
	}
	in, err := OpenInputs([]string{Stdin}, bytes.NewReader(pack(t, data)))
	if err != nil {
		t.Fatal(err)
	}
	c := New(Options{Top: 10})
	if err := pipeline.Run(t.Context(), in.Source(c), c); err != nil {
		t.Fatal(err)
	}
	var got bytes.Buffer
	write(c.Summary(), &got)
	if !bytes.Equal(got.Bytes(), want.Bytes()) {
		t.Errorf("standard input: the report is\n%s\nwant\n%s", &got, &want)
	}
}

// Recordings joined in one file are as many, of one file.
func TestJoinedRecordings(t *testing.T) {
	one := newTape("a", 0, func(s *lifetime.StartInfo) { s.Filter = "--comm curl" }).close()
	s := reportOn(t, Options{}, bytes.Repeat(one, 23))
	if len(s.Recordings) != 23 || len(s.Files()) != 1 || !s.Complete {
		t.Errorf("%d recordings of %q, complete: %v", len(s.Recordings), s.Files(), s.Complete)
	}
	var text bytes.Buffer
	if err := s.WriteText(&text, TextOptions{}); err != nil {
		t.Fatal(err)
	}
	if n := strings.Count(text.String(), "--comm curl"); n != 1 {
		t.Errorf("the filter is told %d times:\n%s", n, &text)
	}
}

func TestMissingParts(t *testing.T) {
	var files [][]byte
	for _, n := range []int{3, 4, 7} {
		tp := newTape("web1", 0, part(n))
		tp.pass(sec * 10)
		files = append(files, tp.Bytes())
	}
	got := reportOn(t, Options{}, files...).Recordings
	if len(got) != 1 || got[0].Missing != 2 || got[0].FirstPart != 3 {
		t.Errorf("%+v", got)
	}
	text := strings.Join(got[0].Shortcomings(), "\n")
	for _, want := range []string{"begins with part 3", "2 parts in between", "no end record"} {
		if !strings.Contains(text, want) {
			t.Errorf("%q lacks %q", text, want)
		}
	}
}

// A part of another trace at the same time is none of this recording, whose ids it shares.
func TestPartsOfTwoTraces(t *testing.T) {
	one := newTape("web1", 0, part(1))
	one.release(one.assign(one.hold(40001, "curl", 7, "")), event.Closed, nil)
	other := newTape("web1", sec, part(2), func(s *lifetime.StartInfo) { s.Filter = "--port 40001" })
	other.release(other.assign(other.hold(40001, "curl", 7, "")), event.Closed, nil)
	s := reportOn(t, Options{}, one.close(), other.close())
	if len(s.Recordings) != 2 || s.Recordings[1].FirstPart != 2 || s.Complete || s.Counts.Lifetimes() != 2 {
		t.Errorf("%+v", s.Recordings)
	}
}

// The same inode, process id and hold id on two hosts, or in two runs of the tracer, are
// others.
func TestHostsAndRunsApart(t *testing.T) {
	one := func(host string, after int) []byte {
		tp := newTape(host, sec*10*2*2)
		tp.pass(sec * 100)
		for range after {
			tp.pass(sec)
		}
		h := tp.assign(tp.hold(40001, "curl", 7, "127.0.0.1:80"))
		tp.pass(sec).release(h, event.Closed, states{event.Established: sec})
		again := tp.pass(sec).assign(tp.hold(40001, "curl", 7, "127.0.0.1:80"))
		tp.pass(sec).release(again, event.Closed, states{event.Established: sec})
		return tp.close()
	}
	s := reportOn(t, Options{}, one("a", 0), one("b", 0), one("a", 100))
	if len(s.Recordings) != 3 || len(s.Hosts()) != 2 || !s.Complete {
		t.Errorf("%d recordings of %q, complete: %v", len(s.Recordings), s.Hosts(), s.Complete)
	}
	if len(s.Processes.Rows) != 2 || s.Processes.Rows[0].Holds != 4 || s.Processes.Rows[1].Holds != 2 {
		t.Errorf("%+v", s.Processes.Rows)
	}
	if len(s.Destinations.Rows) != 2 {
		t.Errorf("%+v", s.Destinations.Rows)
	}
	if r := s.Reuse; r.SameProcess.Count != 3 || r.First != 3 || r.SameProcess.Max != sec {
		t.Errorf("%+v", r)
	}
}

func TestBadInputs(t *testing.T) {
	good := web()
	dir := t.TempDir()
	for name, tc := range map[string]struct {
		data []byte
		want string
	}{
		"empty":  {nil, "empty: empty: there is no recording in it"},
		"text":   {[]byte("hello\nworld\n"), "text: not a recording: "},
		"word":   {[]byte("hello"), "word: not a recording: "},
		"object": {[]byte(`{"a":1}` + "\n"), "object: not a recording: "},
		"newer":  {bytes.Replace(good, []byte(`"schema":1`), []byte(`"schema":2`), 1), "schema 2 is newer than this porttrace reads (1): upgrade porttrace"},
		"future": {[]byte(`{"type":"later","time":"2026-11-23T20:49:27Z"}` + "\n"), "future: not a recording: there is no record in it"},
		"middle": {bytes.Replace(good, []byte(`{"type":"release"`), []byte(`{"type":release"`), 1), "middle: reading recording: line "},
	} {
		t.Run(name, func(t *testing.T) {
			path := file(t, dir, name, tc.data)
			in, err := OpenInputs([]string{path}, nil)
			if err == nil {
				c := New(Options{})
				err = pipeline.Run(t.Context(), in.Source(c), c)
			}
			if err == nil || !strings.Contains(err.Error(), tc.want) || strings.Contains(err.Error(), "\n") || strings.Count(err.Error(), path) != 1 {
				t.Errorf("%v, want %q", err, tc.want)
			}
		})
	}
	path := file(t, dir, "good", good)
	link := filepath.Join(dir, "link")
	if err := os.Symlink(path, link); err != nil {
		t.Fatal(err)
	}
	for _, tc := range []struct {
		names []string
		want  string
	}{
		{[]string{dir}, "a directory: name the recordings in it"},
		{[]string{path, filepath.Join(dir, "none")}, "none: no such file or directory"},
		{[]string{path, link}, "named twice"},
		{[]string{Stdin, Stdin}, "standard input: named twice"},
	} {
		if _, err := OpenInputs(tc.names, bytes.NewReader(good)); err == nil || !strings.Contains(err.Error(), tc.want) {
			t.Errorf("%v, want %q", err, tc.want)
		}
	}
}

func TestTornAndEndless(t *testing.T) {
	data := web()
	lines := bytes.SplitAfter(data, []byte("\n"))
	whole := bytes.Join(lines[:9], nil) // all that is assigned at first
	s := reportOn(t, Options{}, append(bytes.Clone(whole), lines[10][:40]...))
	if s.Complete || len(s.Recordings[0].Torn) != 1 {
		t.Errorf("%+v", s.Recordings[0])
	}
	if c := s.Counts; c.Before != 1 || c.Released != 0 || c.Held != c.Lifetimes() || len(s.States) != 0 || s.Unknown != s.All.Held || s.Unknown == 0 {
		t.Errorf("%+v, %+v", s.Counts, s.All)
	}
	wantConserved(t, s)
}
