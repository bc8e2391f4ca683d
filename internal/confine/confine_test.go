package confine_test

import (
	"fmt"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"golang.org/x/sys/unix"

	"porttrace/internal/confine"
	"porttrace/internal/event"
	"porttrace/internal/ktime"
	"porttrace/internal/lifetime"
	"porttrace/internal/testutil/need"
)

// example is a record, and the first one a start.
func example() lifetime.Record {
	defer func() { begun = true }()
	if !begun {
		return lifetime.Record{Type: lifetime.Start, Time: now(), Start: &lifetime.StartInfo{Schema: 1}}
	}
	return lifetime.Record{Type: lifetime.Assign, Time: now(), Hold: &lifetime.Hold{
		Proto: event.TCP, Port: 40000, Src: netip.MustParseAddr("127.0.0.1"),
	}}
}

var begun bool

func now() ktime.Wall { return ktime.NewClock().Wall(ktime.Now()) }

// place makes the folder of a recording and a file beside it, both of the user's.
func place(t *testing.T, uid int) (folder, theirs string) {
	t.Helper()
	dir, err := os.MkdirTemp("/tmp", "porttrace-confine-")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(dir) })
	folder, theirs = filepath.Join(dir, "folder"), filepath.Join(dir, "theirs")
	if err := os.Mkdir(folder, 0o755); err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{theirs, filepath.Join(folder, "other")} {
		if err := os.WriteFile(name, []byte("precious"), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	for _, name := range []string{dir, folder, theirs} {
		if err := os.Chown(name, uid, uid); err != nil {
			t.Fatal(err)
		}
	}
	return folder, theirs
}

// Whatever is tried is refused, on each thread, and what the tracer does goes on.
func TestConfined(t *testing.T) {
	for _, tc := range []struct {
		name string
		uid  int
		env  []string
	}{
		{"without a file", os.Geteuid(), nil},
		{"with a file", os.Geteuid(), []string{childEnv + "_FILE=1"}},
		{"with a file of the user who ran sudo", 1000, []string{childEnv + "_FILE=1", "SUDO_UID=1000", "SUDO_GID=1000"}},
		{"with a file in the folder of another", 1000, []string{childEnv + "_FILE=1"}},
	} {
		t.Run(tc.name, func(t *testing.T) {
			need.That(t, tc.uid == os.Geteuid() || os.Geteuid() == 0, "root: a folder of another user's")
			folder, theirs := place(t, tc.uid)
			out := run(t, folder, tc.env...)
			first, rest, _ := strings.Cut(out, "\n")
			if rest != "the end\n" {
				t.Errorf("not refused:\n%s", rest)
			}
			if want := fmt.Sprintf("landlocked: %t", len(tc.env) == 0 || confine.ABI() > 0); first != want {
				t.Errorf("it says %q, want %q", first, want)
			}
			if got, err := os.ReadFile(theirs); string(got) != "precious" || err != nil {
				t.Errorf("the file beside holds %q, %v", got, err)
			}
			if len(tc.env) > 1 {
				wantOwner(t, filepath.Join(folder, "x.jsonl"), 1000)
			}
		})
	}
}

func wantOwner(t *testing.T, path string, uid uint32) {
	t.Helper()
	var st unix.Stat_t
	if err := unix.Lstat(path, &st); err != nil || st.Uid != uid {
		t.Errorf("%s belongs to %d, %v, want %d", path, st.Uid, err, uid)
	}
}
