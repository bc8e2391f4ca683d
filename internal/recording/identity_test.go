package recording

import (
	"bytes"
	"encoding/json"
	"io"
	"math"
	"math/rand/v2"
	"net/netip"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"
	"time"

	"porttrace/internal/event"
	"porttrace/internal/lifetime"
)

func TestWriteThenReadIsIdentity(t *testing.T) {
	seed := rand.Uint64()
	t.Logf("seed %d", seed)
	g := newGenerator(seed)
	var want []*lifetime.Record
	var plain, packed bytes.Buffer
	zw, err := NewZstdWriter(&packed)
	if err != nil {
		t.Fatal(err)
	}
	for _, w := range []sink{NewWriter(&plain), zw} {
		for i := range 5000 {
			if w == zw {
				break
			}
			r := g.record(lifetime.Start + lifetime.Type(i%10))
			want = append(want, r)
			checkLine(t, AppendRecord(nil, r))
		}
		for i, r := range want {
			if err := w.Write(r); err != nil {
				t.Fatal(err)
			}
			if i%700 == 0 {
				if err := w.Flush(); err != nil {
					t.Fatal(err)
				}
			}
		}
		if err := w.Close(); err != nil {
			t.Fatal(err)
		}
	}
	for name, in := range map[string]*bytes.Buffer{"plain": &plain, "zstd": &packed} {
		got := readAll(t, in)
		if len(got) != len(want) {
			t.Fatalf("%s: read %d records of %d", name, len(got), len(want))
		}
		for i := range want {
			if !reflect.DeepEqual(got[i], want[i]) {
				t.Fatalf("%s: record %d: line %sgot  %s", name, i, AppendRecord(nil, want[i]), AppendRecord(nil, got[i]))
			}
		}
	}
}

func checkLine(t *testing.T, line []byte) {
	t.Helper()
	if !json.Valid(line) {
		t.Fatalf("not JSON: %s", line)
	}
	for _, b := range line[:len(line)-1] {
		if b < ' ' || b == 0x7f {
			t.Fatalf("raw control character: %q", line)
		}
	}
	if !strings.HasPrefix(string(line), `{"type":"`) || !strings.Contains(string(line[:40]), `","time":"`) {
		t.Fatalf("type and time do not come first: %s", line)
	}
}

func readAll(t *testing.T, in io.Reader) (out []*lifetime.Record) {
	t.Helper()
	r := NewReader(in)
	for {
		rec, err := r.Read()
		if err == io.EOF {
			if r.Torn() {
				t.Fatal("the recording reads as torn")
			}
			return out
		}
		if err != nil {
			t.Fatal(err)
		}
		out = append(out, rec)
	}
}

func TestHostileNamesSurvive(t *testing.T) {
	for _, name := range append(hostile, strings.Join(hostile, "")) {
		r := newGenerator(1).record(lifetime.Assign)
		r.Hold.Owner = lifetime.Owner{PID: 1, TID: 1, Comm: name, Place: lifetime.Intern(lifetime.Place{Cgroup: "/" + name, PodUID: name}),
			Program: lifetime.Intern(lifetime.Program{Exe: name, Cmdline: name}), User: lifetime.Intern(name)}
		line := AppendRecord(nil, r)
		checkLine(t, line)
		got := readAll(t, bytes.NewReader(line))
		if len(got) != 1 || got[0].Hold.Owner != r.Hold.Owner {
			t.Errorf("%q: read back from %s", name, line)
		}
		var any struct{ Comm string }
		if err := json.Unmarshal(line, &any); err != nil {
			t.Errorf("%q: %v", name, err)
		}
		// Where the bytes are text, any other reader must see the same text.
		if clean := strings.ToValidUTF8(name, ""); clean == name && any.Comm != name {
			t.Errorf("%q: encoding/json reads %q", name, any.Comm)
		}
	}
}

// Concatenated fragments of a character must not come back as the escapes of others.
func TestForeignEscapes(t *testing.T) {
	for in, want := range map[string]string{
		`\ud83d\ude00`:       "😀", // as ASCII-only writers put it
		`\udce2\udc82\udcac`: "€",
		`\udcff`:             "\xff",
		`\ud83d`:             "\ufffd",
		`\ud83d\u0041`:       "\ufffdA",
		`\udc7f`:             "\ufffd",
		`\u00e9\/\b\f`:       "é/\b\f",
		"raw \xff":           "raw \xff",
	} {
		line := `{"type":"lost","time":"2026-01-02T03:04:05Z","where":"` + in + `"}` + "\n"
		got := readAll(t, strings.NewReader(line))
		if len(got) != 1 || got[0].Lost.Where != want {
			t.Errorf("%s: read %q, want %q", in, got[0].Lost.Where, want)
		}
	}
}

// What cannot be told is null, whatever the record holds there.
func TestUnknownIsNull(t *testing.T) {
	r := &lifetime.Record{Type: lifetime.Assign, Hold: &lifetime.Hold{
		Path: 99, Proto: 1, State: 99, Search: -5,
		Src:   netip.MustParseAddr("::ffff:10.0.0.1"),
		Dst:   netip.AddrPortFrom(netip.MustParseAddr("fe80::1%\"\n"), 0),
		Owner: lifetime.Owner{UID: 7, Comm: "nobody", Place: lifetime.Intern(lifetime.Place{Cgroup: "/x", Unit: "x.service"}), User: lifetime.Intern("u")},
	}}
	want := `{"type":"assign","time":null,"id":null,"netns":null,"proto":null,"port":null,` +
		`"src":"10.0.0.1","dst":"fe80::1","dst_port":null,"path":null,"assigned":null,"search_ns":null,` +
		`"pid":null,"tid":null,"comm":null,"uid":null,"cgroup":null,"container":null}` + "\n"
	if got := string(AppendRecord(nil, r)); got != want {
		t.Errorf("got  %swant %s", got, want)
	}
	pool := &lifetime.Record{Type: lifetime.Pool, Pool: &lifetime.PoolInfo{AssignRate: math.NaN(), MeanHeld: -7, Exhausts: -1}}
	if line := AppendRecord(nil, pool); !bytes.Contains(line, []byte(`"assign_rate":null,"mean_held_ns":null,"exhausts_in_ns":null`)) {
		t.Errorf("%s", line)
	}
	if line := AppendRecord(nil, &lifetime.Record{Type: 200}); len(line) != 0 {
		t.Errorf("unknown type: %s", line)
	}
}

func TestNamesAreAllKnown(t *testing.T) {
	for _, name := range []string{(lastPath + 1).String(), (lastState + 1).String(), (lastReason + 1).String()} {
		if !strings.HasPrefix(name, "unknown-") {
			t.Errorf("package event has %q, this package does not", name)
		}
	}
	if len(pathByName) != int(lastPath) || len(stateByName) != int(event.States) || len(reasonByName) != int(lastReason) {
		t.Error("two values share a name")
	}
}

// testdata/example.jsonl is the contract by example: a line of each type, and of those
// with unknown parts.
func TestGolden(t *testing.T) {
	path := filepath.Join("testdata", "example.jsonl")
	var got []byte
	for _, r := range examples() {
		got = AppendRecord(got, r)
	}
	if os.Getenv("UPDATE_GOLDEN") != "" {
		if err := os.WriteFile(path, got, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(got, want) {
		t.Errorf("got:\n%swant:\n%s", got, want)
	}
	if read := readAll(t, bytes.NewReader(want)); !reflect.DeepEqual(read, examples()) {
		t.Error("the examples do not read back as they were")
	}
}

func TestStatesAddUp(t *testing.T) {
	r := newGenerator(3).record(lifetime.Release)
	r.Hold.States = [event.States]time.Duration{event.SynSent: 5, event.Established: 7}
	r.Hold.State = event.TimeWait
	line := string(AppendRecord(nil, r))
	if !strings.Contains(line, `"held_ns":12,"states":{"SYN_SENT":5,"ESTABLISHED":7,"TIME_WAIT":0},"reason":`) {
		t.Error(line)
	}
}
