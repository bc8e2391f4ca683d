package main

import (
	"os"
	"path/filepath"
	"testing"

	"porttrace/internal/ktime"
	"porttrace/internal/lifetime"
	"porttrace/internal/recording"
)

// recordingOf writes so many lifetimes, and the records around them, as plain lines.
func recordingOf(t *testing.T, lifetimes int) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "kept.jsonl")
	file, err := os.Create(path)
	if err != nil {
		t.Fatal(err)
	}
	defer file.Close()
	w := recording.NewWriter(file)
	write := func(r lifetime.Record) {
		if err := w.Write(&r); err != nil {
			t.Fatal(err)
		}
	}
	write(lifetime.Record{Type: lifetime.Start, Time: 1, Start: &lifetime.StartInfo{Schema: recording.Schema}})
	for i := range lifetimes {
		at := ktime.Wall(1000 * (i + 1))
		id := uint64(i + 1)
		write(lifetime.Record{Type: lifetime.Assign, Time: at, Hold: used(id, at, 0, 0)})
		write(lifetime.Record{Type: lifetime.Release, Time: at + 50, Hold: used(id, at, 50, 0), Reason: 1})
	}
	write(lifetime.Record{Type: lifetime.End, Time: 2, End: &lifetime.EndInfo{Complete: true}})
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return path
}

func TestPassesSeeEverything(t *testing.T) {
	const lifetimes = 23_000 // more than a File holds without waiting
	plain := recordingOf(t, lifetimes)
	compressed, err := packed(plain)
	if err != nil {
		t.Fatal(err)
	}
	for _, tc := range []struct {
		name, path string
		run        func(string) (pass, error)
		events     uint64
	}{
		{"plain", plain, readThrough, 0},
		{"zstd", compressed, readThrough, 0},
		{"tracker", plain, tracked, 2 * lifetimes},
	} {
		p, err := tc.run(tc.path)
		if err != nil {
			t.Errorf("%s: %v", tc.name, err)
		}
		if p.lifetimes != lifetimes || p.records != 2*lifetimes+2 || p.events != tc.events || p.cpu <= 0 {
			t.Errorf("%s: %+v", tc.name, p)
		}
	}
	if _, err := packed(plain); err != nil {
		t.Errorf("again: %v", err)
	}
}

func TestARecordingThatIsCutIsAnError(t *testing.T) {
	path := recordingOf(t, 3)
	info, err := os.Stat(path)
	if err == nil {
		err = os.Truncate(path, info.Size()-5)
	}
	if err != nil {
		t.Fatal(err)
	}
	for name, run := range map[string]func(string) (pass, error){"readThrough": readThrough, "tracked": tracked} {
		if _, err := run(path); err == nil {
			t.Errorf("%s: no error", name)
		}
	}
	if _, err := packed(path); err == nil {
		t.Error("packed: no error")
	}
}

func TestPerSecond(t *testing.T) {
	for _, tc := range []struct {
		n       uint64
		seconds float64
		want    string
	}{
		{1_000_000, 0.5, "2,000,000"},
		{0, 0.5, "-"},
		{5, 0, "-"},
	} {
		if got := perSecond(tc.n, tc.seconds); got != tc.want {
			t.Errorf("perSecond(%d, %v) = %q, want %q", tc.n, tc.seconds, got, tc.want)
		}
	}
}
