package recording

import (
	"bytes"
	"reflect"
	"strings"
	"testing"

	"porttrace/internal/event"
	"porttrace/internal/lifetime"
)

// compare fails if the fast path takes a line that the scanner does not, or reads
// another record of it. It tells whether the fast path took it.
func compare(t *testing.T, fast, slow *decoder, line []byte) bool {
	t.Helper()
	n := fast.laidOut(line, true)
	if n == 0 {
		return false
	}
	if n < len(line) && line[n-1] != '\n' {
		t.Fatalf("took %d bytes of %d: %q", n, len(line), line)
	}
	want, err := slow.scan(line[:n])
	if err != nil || want == nil {
		t.Fatalf("took %q, the scanner: %v, %v", line, want, err)
	}
	if !reflect.DeepEqual(&fast.out, want) {
		t.Fatalf("%q reads as\n%+v %+v, by the scanner as\n%+v %+v", line, fast.out, fast.hold, *want, *want.Hold)
	}
	// A buffer may end anywhere: what is cut is not taken, and what follows is not read.
	if cut := fast.laidOut(line[:n-1], false); cut > 0 {
		t.Fatalf("took %d bytes of %q", cut, line[:n-1])
	}
	if line[n-1] == '\n' && fast.laidOut(append(line[:n:n], "}\n"...), false) != n {
		t.Fatalf("another line behind it and %q is not taken", line[:n])
	}
	return true
}

// If the writer's layout changes, this fails, rather than that replay gets slow.
func TestFastPathTakesWhatTheWriterMakes(t *testing.T) {
	var fast, slow decoder
	g := newGenerator(11)
	taken := map[lifetime.Type]int{}
	try := func(r *lifetime.Record) {
		line := AppendRecord(nil, r)
		if r.Hold == nil || bytes.IndexByte(line, '\\') >= 0 { // escapes are rare
			compare(t, &fast, &slow, line)
			return
		}
		if !compare(t, &fast, &slow, line) || !compare(t, &fast, &slow, bytes.TrimSuffix(line, []byte("\n"))) {
			t.Fatalf("not taken: %s", line)
		}
		taken[r.Type]++
	}
	for _, r := range examples() {
		try(r)
	}
	for i := range 20000 {
		try(g.record(lifetime.Start + lifetime.Type(i%10)))
	}
	s := newStorm()
	for range stormHeld + 1000 {
		assign, release := s.next()
		if try(assign); release != nil {
			try(release)
		}
	}
	for _, typ := range []lifetime.Type{lifetime.HeldAtStart, lifetime.Assign, lifetime.State, lifetime.Release, lifetime.HeldAtEnd} {
		if taken[typ] < 500 {
			t.Errorf("only %d lines of type %d", taken[typ], typ)
		}
	}
}

// Each byte of real lines changed, left out and doubled: the first line has been read
// before, so that what is remembered must not be mistaken for what is there.
func TestFastPathIsAsStrict(t *testing.T) {
	var fast, slow decoder
	var lines [][]byte
	for _, r := range examples() {
		if r.Hold != nil {
			lines = append(lines, AppendRecord(nil, r))
		}
	}
	six := newStorm().release6()
	lines = append(lines, AppendRecord(nil, six))
	for _, line := range lines {
		compare(t, &fast, &slow, bytes.Clone(line))
		for i := range line {
			for _, b := range []byte("0129aAfF-+.:eE\"\\{}[],nZT \n\x00\x7f\x80\xff") {
				changed := bytes.Clone(line)
				changed[i] = b
				compare(t, &fast, &slow, changed)
				compare(t, &fast, &slow, append(append(bytes.Clone(line[:i]), b), line[i:]...))
			}
			compare(t, &fast, &slow, append(bytes.Clone(line[:i]), line[i+1:]...))
			compare(t, &fast, &slow, bytes.Clone(line[:i]))
		}
	}
}

func TestFastValues(t *testing.T) {
	var fast, slow decoder
	line := string(AppendRecord(nil, examples()[2]))
	swap := func(old string, news ...string) {
		for _, s := range news {
			if !strings.Contains(line, old) {
				t.Fatalf("no %s in %s", old, line)
			}
			compare(t, &fast, &slow, []byte(strings.ReplaceAll(line, old, s)))
		}
	}
	swap(`"10.0.0.7"`, `"::"`, `"::1"`, `"1::"`, `"1:2:3:4:5:6:7:8"`, `"1:2:3:4:5:6:7::"`, `"::2:3:4:5:6:7:8"`, `"1:2:3:4:5:6:7:8::"`,
		`"1::3:4:5:6:7:8"`, `"::1:2:3:4:5:6:7:8"`, `"1:2:3:4::5:6:7:8"`, `"1:2:3:4:5:6:7"`, `"1::2::3"`, `":1::2"`, `"1::2:"`, `":"`, `":::"`,
		`"::ffff:a00:7"`, `"::ffff:10.0.0.7"`, `"::FFFF"`, `"fe80::1%eth0"`, `"12345::"`, `"0000::0001"`, `"10.0.0"`, `"10.0.0.07"`,
		`"10.0.0.256"`, `"10.0.0.1000"`, `"10.0.0.7."`, `"10..0.7"`, `""`, `"x"`, `null`, `"`, `"1`)
	swap(`60568`, `0`, `65535`, `65536`, `00`, `01`, `-1`, `-0`, `1.0`, `1e3`, `18446744073709551616`, `null`, `""`, ``)
	swap(`"id":2`, `"id":18446744073709551615`, `"id":18446744073709551616`, `"id":99999999999999999999`, `"id":184467440737095516150`,
		`"id":10000000000000000000`, `"id":12345678`, `"id":123456789`, `"id":1234567812345678`, `"id":12345678123456789`, `"id":00000000`)
	swap(`1834`, `9223372036854775807`, `9223372036854775808`, `-1`, `0`, `null`)
	swap(`"pid":4242`, `"pid":0`, `"pid":null`, `"pid":4294967295`, `"pid":4294967296`)
	swap(`"uid":1000`, `"uid":null`, `"uid":0`)
	swap(`"time":"2026-11-23T20:15:01.000000001Z"`,
		`"time":"2026-02-29T20:15:01.000000001Z"`, `"time":"2024-02-29T20:15:01.000000001Z"`, `"time":"2026-11-31T20:15:01.000000001Z"`,
		`"time":"2026-00-01T20:15:01.000000001Z"`, `"time":"2026-13-01T20:15:01.000000001Z"`, `"time":"2026-11-00T20:15:01.000000001Z"`,
		`"time":"2026-11-23T24:15:01.000000001Z"`, `"time":"2026-11-23T23:60:01.000000001Z"`, `"time":"2026-11-23T23:59:60.000000001Z"`,
		`"time":"0000-01-01T00:00:00.000000000Z"`, `"time":"9999-01-01T00:00:00.000000000Z"`, `"time":"1970-01-01T00:00:00.000000000Z"`,
		`"time":"1677-09-21T00:12:43.000000000Z"`, `"time":"1677-09-21T00:12:44.000000000Z"`, `"time":"1677-09-21T00:12:45.000000000Z"`,
		`"time":"2262-04-11T23:47:15.999999999Z"`, `"time":"2262-04-11T23:47:16.000000000Z"`, `"time":"2262-04-11T23:47:17.000000000Z"`,
		`"time":"2026-11-23t20:15:01.000000001z"`, `"time":"2026-11-23T20:15:01.00000001Z"`, `"time":"2026-11-23T20:15:01,000000001Z"`,
		"\"time\":\"\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00T20:15:01.000000001Z\"", `"time":null`, `"time":""`)
	swap(`"curl"`, `""`, `"c\u0075rl"`, `"cürl"`, "\"c\xffrl\"", "\"c\x7frl\"", "\"c\x1frl\"", `"a long name of many words"`, `"`+strings.Repeat("x", 5000)+`"`)
}

// release6 is a release with IPv6 addresses.
func (s *storm) release6() *lifetime.Record {
	for {
		if _, r := s.next(); r != nil && r.Hold.Dst.Addr().Is6() {
			return r
		}
	}
}

func FuzzFastLine(f *testing.F) {
	for _, r := range examples() {
		if r.Hold != nil {
			f.Add(AppendRecord(nil, r))
		}
	}
	f.Add(AppendRecord(nil, newStorm().release6()))
	bare := &lifetime.Record{Type: lifetime.Release, Hold: &lifetime.Hold{State: event.TimeWait}}
	f.Add(AppendRecord(nil, bare))
	// Kept from input to input, as from line to line, so that what is remembered takes
	// part. A failure need not repeat by itself: the lines before it belong to it.
	var fast, slow decoder
	f.Fuzz(func(t *testing.T, line []byte) {
		taken := compare(t, &fast, &slow, line)
		var fresh decoder
		if compare(t, &fresh, &slow, line) != taken {
			t.Fatalf("taken %v, by a fresh decoder not so: %q", taken, line)
		}
	})
}

// Of an owner, or of a namespace, more is known at one time than at another: what is
// remembered of the one is not taken for the other, nor does it make the other slow.
func TestFastPathTellsOwnersApart(t *testing.T) {
	var fast, slow decoder
	r := newStorm().release6()
	most := r.Hold.Owner
	for range 3 {
		for _, forget := range []func(*lifetime.Owner){
			func(*lifetime.Owner) {},
			func(o *lifetime.Owner) { o.User = lifetime.Interned[string]{} },
			func(o *lifetime.Owner) { o.Program = lifetime.Interned[lifetime.Program]{} },
			func(o *lifetime.Owner) { o.Place = lifetime.Intern(lifetime.Place{Cgroup: o.Place.Value().Cgroup}) },
		} {
			for _, name := range []string{"", "blue", "blue2"} {
				r.Hold.Owner, r.Hold.NetNSName = most, lifetime.Intern(name)
				forget(&r.Hold.Owner)
				line := AppendRecord(nil, r)
				if !compare(t, &fast, &slow, line) || fast.hold.Owner != r.Hold.Owner || fast.hold.NetNSName != r.Hold.NetNSName {
					t.Fatalf("not taken, or as %v in %v: %s", fast.hold.Owner, fast.hold.NetNSName, line)
				}
			}
		}
	}
}
