package recording

import (
	"bytes"
	"encoding/json"
	"reflect"
	"strconv"
	"testing"
	"unicode"
	"unicode/utf8"

	"porttrace/internal/lifetime"
)

// Whatever can be read can be written, as valid JSON, and reads back the same, and its
// second writing equals the first.
func FuzzReader(f *testing.F) {
	f.Add(exampleLines())
	for _, r := range examples() {
		f.Add(AppendRecord(nil, r))
	}
	g := newGenerator(1)
	for typ := lifetime.Start; typ <= lifetime.Shed; typ++ {
		f.Add(AppendRecord(nil, g.record(typ)))
	}
	f.Add([]byte("{\"type\":\"lost\",\"where\":\"\\udcff\\ud83d\\ude00\xff\"}\n{\"type\":\"x\",\"a\":[1,{\"b\":null}]}\n"))
	var packed bytes.Buffer
	if w, err := NewZstdWriter(&packed); err == nil {
		w.Write(examples()[0])
		w.Close()
	}
	f.Add(packed.Bytes())
	f.Fuzz(func(t *testing.T, in []byte) {
		recs, _, _ := read(in)
		var out []byte
		for _, r := range recs {
			line := AppendRecord(nil, r)
			if !json.Valid(line) {
				t.Fatalf("not JSON: %s", line)
			}
			out = append(out, line...)
		}
		again, torn, err := read(out)
		if err != nil || torn {
			t.Fatalf("torn %v, %v: %s", torn, err, out)
		}
		if !reflect.DeepEqual(recs, again) {
			t.Fatalf("reads back differently: %s", out)
		}
	})
}

// The fuzzer seldom keeps a whole line whole; this changes one byte at a time.
func TestEveryByteChanged(t *testing.T) {
	var d, again decoder
	for _, line := range bytes.SplitAfter(exampleLines(), []byte("\n")) {
		for i := range line {
			old := line[i]
			for _, b := range []byte("0-9.eE\"\\{}[],: nX\xff\x00") {
				line[i] = b
				r, err := d.decode(line)
				if err == nil && !json.Valid(line) {
					t.Fatalf("taken: %s", line)
				}
				if err != nil || r == nil {
					continue
				}
				out := AppendRecord(nil, r)
				if back, err := again.decode(out); err != nil || !json.Valid(out) || !reflect.DeepEqual(back, r) {
					t.Fatalf("%sreads back differently, %v: %s", line, err, out)
				}
			}
			line[i] = old
		}
	}
}

// Other people's text comes back byte for byte, from a line that is JSON to all and has
// nothing in it that a terminal obeys; where it is UTF-8, others read the same.
func FuzzNames(f *testing.F) {
	for _, name := range hostile {
		f.Add(name)
	}
	f.Fuzz(func(t *testing.T, name string) {
		r := newGenerator(1).record(lifetime.Assign)
		r.Hold.Owner = lifetime.Owner{PID: 1, TID: 1, Comm: name, Place: lifetime.Intern(lifetime.Place{Cgroup: name, Container: name, Unit: name}),
			Program: lifetime.Intern(lifetime.Program{Cmdline: name})}
		line := AppendRecord(nil, r)
		if !json.Valid(line) || !utf8.Valid(line) || bytes.ContainsFunc(bytes.TrimSuffix(line, []byte("\n")), unicode.IsControl) {
			t.Fatalf("%q is written as %q", name, line)
		}
		got, torn, err := read(line)
		if err != nil || torn || len(got) != 1 || got[0].Hold.Owner != r.Hold.Owner {
			t.Fatalf("%q reads back as %+v, torn %v, %v", name, got, torn, err)
		}
		var other struct{ Comm, Cgroup string }
		if err := json.Unmarshal(line, &other); err != nil {
			t.Fatal(err)
		}
		if utf8.ValidString(name) && (other.Comm != name || other.Cgroup != name) {
			t.Fatalf("%q is to others %q", name, other)
		}
	})
}

// What sudo leaves in the environment is an id in the one form that it writes, or none.
func FuzzParseID(f *testing.F) {
	f.Add("0")
	f.Add("01000")
	f.Add("4294967295")
	f.Fuzz(func(t *testing.T, text string) {
		if id, err := parseID("SUDO_UID", text); err == nil && (strconv.Itoa(id) != text || id < 0) {
			t.Errorf("%q is taken for %d", text, id)
		}
	})
}

// The scanner takes no line that is not JSON, and all JSON objects of a modest depth.
func FuzzScanner(f *testing.F) {
	for _, s := range []string{
		`{"type":"x","a":[1,-0.5e+7,true,false,null,"é\u00e9\"",{}],"b":{"c":[]}}`, `{"type":"x",}`, `{"type":"x","a":-}`,
		`{"type":"x","a":1.}`, `{"type":"x","a":.5}`, `{"type":"x","a":[1,]}`, `{"type":"x","a":nul}`, "{\"type\":\"x\"\x00}",
		`{"type":"x","a":"\ud800\u12"}`, `{"type":"x" "a":1}`, `{"type":"x",null:1}`, `{"type":"x","a":+1}`, `{"type":"x","a":1e}`,
	} {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, line []byte) {
		var s scanner
		s.reset(line)
		for range s.fields() {
			s.skip()
		}
		s.end()
		var object map[string]any
		valid := json.Valid(line)
		if s.err == nil && !valid {
			t.Fatalf("taken: %q", line)
		}
		if s.err != nil && valid && bytes.Count(line, []byte("["))+bytes.Count(line, []byte("{")) < maxDepth &&
			json.Unmarshal(line, &object) == nil && object != nil {
			t.Fatalf("not taken: %q: %v", line, s.err)
		}
	})
}
