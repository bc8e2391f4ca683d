package recording

import (
	"bytes"
	"errors"
	"io"
	"reflect"
	"strings"
	"testing"
	"testing/iotest"

	"github.com/klauspost/compress/zstd"

	"porttrace/internal/lifetime"
)

// read returns what can be read of in, whether its end is torn, and the error that is
// not the end.
func read(in []byte) (out []*lifetime.Record, torn bool, err error) {
	r := NewReader(bytes.NewReader(in))
	for {
		rec, err := r.Read()
		if err == io.EOF {
			return out, r.Torn(), nil
		}
		if err != nil {
			return out, r.Torn(), err
		}
		out = append(out, rec)
	}
}

func exampleLines() []byte {
	var b []byte
	for _, r := range examples() {
		b = AppendRecord(b, r)
	}
	return b
}

func TestTornPlain(t *testing.T) {
	full := exampleLines()
	for cut := range len(full) + 1 {
		head := full[:cut]
		whole := bytes.Count(head, []byte("\n"))
		torn := cut > 0 && head[cut-1] != '\n'
		if cut < len(full) && full[cut] == '\n' {
			whole, torn = whole+1, false // only the newline is missing
		}
		checkTorn(t, cut, head, whole, torn)
		if torn {
			checkTorn(t, cut, append(bytes.Clone(head), '\n'), whole, true)
			checkTorn(t, cut, append(bytes.Clone(head), make([]byte, 3000)...), whole, true)
		}
	}
	// A file whose blocks never reached the disk.
	checkTorn(t, -1, append(bytes.Clone(full), make([]byte, 3*maxLine)...), len(examples()), true)
}

func checkTorn(t *testing.T, cut int, in []byte, whole int, torn bool) {
	t.Helper()
	got, gotTorn, err := read(in)
	if err != nil {
		t.Fatalf("cut at %d: %v", cut, err)
	}
	if len(got) != whole || gotTorn != torn {
		t.Fatalf("cut at %d: %d records, torn %v; want %d, %v", cut, len(got), gotTorn, whole, torn)
	}
	if whole > 0 && !reflect.DeepEqual(got, examples()[:whole]) {
		t.Fatalf("cut at %d: the whole lines read differently", cut)
	}
}

func TestTornZstd(t *testing.T) {
	var buf bytes.Buffer
	w, err := NewZstdWriter(&buf)
	if err != nil {
		t.Fatal(err)
	}
	flushed := map[int]int{} // size → records
	for i, r := range examples() {
		if err := errors.Join(w.Write(r), w.Flush()); err != nil {
			t.Fatal(err)
		}
		flushed[buf.Len()] = i + 1
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	least := 0
	for cut := range buf.Len() {
		if n, ok := flushed[cut]; ok {
			least = n
		}
		got, torn, err := read(buf.Bytes()[:cut])
		if err != nil || len(got) < least || torn != (cut > 0) {
			t.Fatalf("cut at %d: %d records of at least %d, torn %v, %v", cut, len(got), least, torn, err)
		}
	}
	if got, torn, err := read(buf.Bytes()); err != nil || torn || len(got) != len(examples()) {
		t.Fatalf("whole: %d records, torn %v, %v", len(got), torn, err)
	}
	bad := bytes.Clone(buf.Bytes())
	bad[len(bad)/2] ^= 0xff
	if _, torn, err := read(bad); err == nil && !torn {
		t.Error("damage in the middle goes unseen")
	}
}

// Two recordings in one file, as cat makes them, also compressed.
func TestConcatenated(t *testing.T) {
	one := exampleLines()
	enc, err := zstd.NewWriter(nil)
	if err != nil {
		t.Fatal(err)
	}
	packed := enc.EncodeAll(one, nil)
	for _, in := range [][]byte{append(bytes.Clone(one), one...), append(bytes.Clone(packed), packed...)} {
		if got, torn, err := read(in); err != nil || torn || len(got) != 2*len(examples()) {
			t.Errorf("%d records, torn %v, %v", len(got), torn, err)
		}
	}
}

func TestSkipped(t *testing.T) {
	const head = `"time":"2026-01-02T03:04:05.000000006Z"`
	for _, line := range []string{
		"", "  \t\r",
		`{"type":"metric",` + head + `,"id":"not a number","deep":[[{"a":[1.5e-3,true,false,null,"x"]}]]}`,
		`{"type":"held","at":"noon",` + head + `}`,
		`{"type":"state",` + head + `,"state":"NEW_SYN_RECV"}`,
		`{"type":"state",` + head + `}`,
	} {
		in := append([]byte(line+"\n"), exampleLines()...)
		if got, torn, err := read(in); err != nil || torn || !reflect.DeepEqual(got, examples()) {
			t.Errorf("%s: %d records, torn %v, %v", line, len(got), torn, err)
		}
	}
	// Keys in any order, unknown fields and names, other time zones and spacing.
	const odd = "\t{ \"zzz\" : {\"type\":1} , \"reason\":\"eaten\", \"states\":{\"BOUND\":5,\"NEW\":{}},\"path\":\"magic\"," +
		"\"proto\":\"sctp\",\"t\\u0079pe\":\"release\",\"time\":\"2026-01-02T05:04:05.000000006+02:00\",\"\":null} \r\n"
	got, _, err := read([]byte(odd))
	if err != nil || len(got) != 1 {
		t.Fatalf("%d records, %v", len(got), err)
	}
	want := `{"type":"release","time":"2026-01-02T03:04:05.000000006Z","id":null,"netns":null,"proto":null,"port":null,` +
		`"src":null,"dst":null,"dst_port":null,"path":null,"assigned":null,"pid":null,"tid":null,"comm":null,"uid":null,` +
		`"cgroup":null,"container":null,"released":"2026-01-02T03:04:05.000000006Z","held_ns":5,"states":{"BOUND":5},"reason":null}` + "\n"
	if line := string(AppendRecord(nil, got[0])); line != want {
		t.Errorf("got  %swant %s", line, want)
	}
}

func TestBadLines(t *testing.T) {
	for line, want := range map[string]string{
		`{"type":"start","schema":2,"pools":7}`:                `line 2: schema 2 is newer than this porttrace reads (1): upgrade porttrace`,
		`{"type":"start"}`:                                     `not a recording of porttrace`,
		`{"time":"x"}`:                                         `line 2: no "type"`,
		`{"type":null}`:                                        `line 2: no "type"`,
		`[]`:                                                   `want '{'`,
		`{"type":"held"}`:                                      `neither at the start nor at the end`,
		`{"type":"assign","pid":3}`:                            `a pid without a uid`,
		`{"type":"assign","port":65536}`:                       `"port": 65536 is no whole number from 0 to 65535`,
		`{"type":"assign","port":-1}`:                          `"port": -1 is no whole`,
		`{"type":"assign","port":"1"}`:                         `"port": want a number`,
		`{"type":"assign","id":1e3}`:                           `"id": 1e3 is no whole number`,
		`{"type":"assign","src":"10.0.0.300"}`:                 `"src": "10.0.0.300" is no IP address`,
		`{"type":"assign","time":"yesterday"}`:                 `"time": "yesterday" is no time`,
		`{"type":"assign","time":"0001-01-01T00:00:00Z"}`:      `out of range`,
		`{"type":"assign","time":"2262-04-11T23:47:17Z"}`:      `out of range`,
		`{"type":"failure","range":[1]}`:                       `"range": want a range of two ports`,
		`{"type":"failure","range":[1,2,3]}`:                   `"range": want a range of two ports`,
		`{"type":"end","complete":1}`:                          `"complete": want true or false`,
		`{"type":"x","a":01}`:                                  `line 2`,
		`{"type":"x","a":"\x"}`:                                `unknown escape`,
		`{"type":"x"} {}`:                                      `more than one value`,
		`{"type":"x","a":` + strings.Repeat("[", 1000) + `}`:   `nested too deeply`,
		`{"type":"x","a":"` + strings.Repeat("x", 1<<20) + `"`: `line 2: longer than 1048576 bytes`,
		"{\"type\":\"x\",\"a\":\"\x01\"}":                      `control character`,
	} {
		in := append([]byte("\n"+line+"\n"), exampleLines()...)
		got, torn, err := read(in)
		if err == nil || torn || len(got) > 0 || !strings.Contains(err.Error(), want) {
			t.Errorf("%.60s: %d records, torn %v, error %v, want %s", line, len(got), torn, err, want)
		}
	}
	// Whole but wrong is no torn end.
	if _, torn, err := read([]byte(`{"type":"assign","pid":3}`)); err == nil || torn {
		t.Errorf("torn %v, %v", torn, err)
	}
}

func TestReaderPassesErrorsOn(t *testing.T) {
	broken := errors.New("broken")
	in := io.MultiReader(bytes.NewReader(exampleLines()), strings.NewReader(`{"type":"end"`), iotest.ErrReader(broken))
	r := NewReader(in)
	n := 0
	var err error
	for ; err == nil; n++ {
		_, err = r.Read()
	}
	if n-1 != len(examples()) || !errors.Is(err, broken) || r.Torn() {
		t.Errorf("%d records, torn %v, %v", n-1, r.Torn(), err)
	}
	if _, again := r.Read(); again != err {
		t.Errorf("then %v", again)
	}
	if got := readAll(t, iotest.OneByteReader(bytes.NewReader(exampleLines()))); !reflect.DeepEqual(got, examples()) {
		t.Error("byte by byte it reads differently")
	}
}
