package report

import (
	"bytes"
	"flag"
	"net/netip"
	"os"
	"path/filepath"
	"testing"
	"time"

	"porttrace/internal/event"
	"porttrace/internal/ktime"
	"porttrace/internal/lifetime"
	"porttrace/internal/pipeline"
	"porttrace/internal/recording"
)

var update = flag.Bool("update", false, "rewrite the golden files")

const (
	ms  = time.Millisecond
	sec = time.Second
)

var epoch = ktime.WallOf(time.Date(2026, 3, 14, 15, 9, 26, 535_897_932, time.UTC))

// tape is a recording being made by the real encoder.
type tape struct {
	bytes.Buffer
	now    ktime.Wall
	lastID uint64
	end    lifetime.EndInfo
}

// newTape begins a recording at a time after epoch.
func newTape(host string, after time.Duration, edit ...func(*lifetime.StartInfo)) *tape {
	tp := &tape{now: epoch + ktime.Wall(after)}
	info := &lifetime.StartInfo{
		Schema: 1, Version: "v1", Host: host, BootID: "boot-of-" + host, Kernel: "6.18.0", Hooks: "stable",
		Pools: []lifetime.Range{{NetNS: 4026531840, Lo: 40000, Hi: 40009, Usable: 10}},
	}
	for _, f := range edit {
		f(info)
	}
	tp.add(&lifetime.Record{Type: lifetime.Start, Start: info})
	return tp
}

func part(n int) func(*lifetime.StartInfo) { return func(s *lifetime.StartInfo) { s.Part = n } }

func (tp *tape) add(r *lifetime.Record) {
	if r.Time == 0 {
		r.Time = tp.now
	}
	tp.Write(recording.AppendRecord(nil, r))
}

func (tp *tape) pass(d time.Duration) *tape {
	tp.now += ktime.Wall(d)
	return tp
}

// hold is an ordinary one, not yet recorded.
func (tp *tape) hold(port uint16, comm string, pid uint32, dst string) *lifetime.Hold {
	tp.lastID++
	h := &lifetime.Hold{
		ID: tp.lastID, NetNS: 4026531840, Proto: event.TCP, Port: port, Path: event.Connect,
		Src: netip.MustParseAddr("10.0.0.9"), Assigned: tp.now, Search: 3 * time.Microsecond,
		Owner: lifetime.Owner{PID: pid, TID: pid, UID: 1000, Comm: comm, Place: lifetime.Intern(lifetime.Place{Cgroup: "/user.slice"})},
	}
	if dst != "" {
		h.Dst = netip.MustParseAddrPort(dst)
	}
	return h
}

func (tp *tape) assign(h *lifetime.Hold) *lifetime.Hold {
	tp.end.Assigned++
	tp.add(&lifetime.Record{Type: lifetime.Assign, Hold: h})
	return h
}

func (tp *tape) held(h *lifetime.Hold) *lifetime.Hold {
	h.Assigned = 0
	tp.end.BeforeStart++
	tp.add(&lifetime.Record{Type: lifetime.HeldAtStart, Hold: h})
	return h
}

// states is the time spent in each state.
type states = map[event.State]time.Duration

func (tp *tape) release(h *lifetime.Hold, reason event.Reason, in states) {
	tp.end.Released++
	tp.finish(h, in)
	tp.add(&lifetime.Record{Type: lifetime.Release, Hold: h, Reason: reason})
}

// stay records a hold that is not over when the recording is.
func (tp *tape) stay(h *lifetime.Hold, in states) {
	tp.finish(h, in)
	tp.add(&lifetime.Record{Type: lifetime.HeldAtEnd, Hold: h})
}

func (tp *tape) finish(h *lifetime.Hold, in states) {
	for s, d := range in {
		h.States[s] = d
		h.State = max(h.State, s)
	}
}

func (tp *tape) fail(cause lifetime.Cause, comm string, pid uint32) {
	tp.end.Failures++
	tp.add(&lifetime.Record{Type: lifetime.Failure, Failure: &lifetime.FailureInfo{
		NetNS: 4026531840, Proto: event.TCP, Path: event.Connect, Src: netip.MustParseAddr("10.0.0.9"),
		Dst: netip.MustParseAddrPort("10.0.0.5:443"), Owner: lifetime.Owner{PID: pid, TID: pid, UID: 1000, Comm: comm},
		Errno: "EADDRNOTAVAIL", Cause: cause, InUse: 10, Usable: 10,
	}})
}

func (tp *tape) lose(n uint64, where string) {
	tp.end.Lost += n
	tp.add(&lifetime.Record{Type: lifetime.Lost, Lost: &lifetime.LostInfo{Events: n, Where: where, Reconciled: -1}})
}

func (tp *tape) close() []byte {
	end := tp.end
	end.Held = end.BeforeStart + end.Assigned - end.Released
	end.Complete = end.Lost == 0
	tp.add(&lifetime.Record{Type: lifetime.End, End: &end})
	return tp.Bytes()
}

// file puts a recording on the disk.
func file(t testing.TB, dir, name string, data []byte) string {
	t.Helper()
	path := filepath.Join(dir, name)
	if err := os.WriteFile(path, data, 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

// reportOn reads recordings, each from a file of its own.
func reportOn(t testing.TB, opts Options, recordings ...[]byte) *Summary {
	t.Helper()
	var names []string
	dir := t.TempDir()
	for i, data := range recordings {
		names = append(names, file(t, dir, string(rune('a'+i))+".jsonl", data))
	}
	s := reportOnFiles(t, opts, names...)
	for i := range s.Recordings { // the folder has another name each time
		for j, name := range s.Recordings[i].Files {
			s.Recordings[i].Files[j] = filepath.Base(name)
		}
		for j, name := range s.Recordings[i].Torn {
			s.Recordings[i].Torn[j] = filepath.Base(name)
		}
	}
	return s
}

func reportOnFiles(t testing.TB, opts Options, names ...string) *Summary {
	t.Helper()
	if opts.Top == 0 {
		opts.Top = 10
	}
	in, err := OpenInputs(names, nil)
	if err != nil {
		t.Fatal(err)
	}
	defer in.Close()
	c := New(opts)
	if err := pipeline.Run(t.Context(), in.Source(c), c); err != nil {
		t.Fatal(err)
	}
	return c.Summary()
}

// golden compares got with testdata/name.
func golden(t *testing.T, name string, got []byte) {
	t.Helper()
	path := filepath.Join("testdata", name)
	if *update {
		if err := os.MkdirAll("testdata", 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, got, 0o644); err != nil {
			t.Fatal(err)
		}
		return
	}
	want, err := os.ReadFile(path)
	if err != nil {
		t.Fatalf("%v (run the test with -update to make it)", err)
	}
	if !bytes.Equal(got, want) {
		t.Errorf("%s differs (see what -update changes)\ngot:\n%s\nwant:\n%s", path, got, want)
	}
}
