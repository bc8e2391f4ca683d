package probe_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"golang.org/x/sys/unix"

	"porttrace/internal/probe"
	"porttrace/internal/testutil"
)

// The path of a cgroup is known as soon as it has been removed, not before, and not a part
// of one that is too long.
func TestWatchCgroups(t *testing.T) {
	testutil.NeedBPF(t)
	w, err := probe.WatchCgroups()
	if err != nil {
		t.Fatal(err)
	}
	defer w.Close()
	above := testutil.NewCgroup(t, "porttrace-test-gone-*")
	long := strings.Repeat("n", 250)
	names := []string{"x.service", long, long + "/" + long}
	ids := make([]uint64, len(names))
	for i, name := range names {
		if err := os.Mkdir(filepath.Join(above.Dir, name), 0o755); err != nil {
			t.Fatal(err)
		}
		var st unix.Stat_t
		if err := unix.Stat(filepath.Join(above.Dir, name), &st); err != nil {
			t.Fatal(err)
		}
		ids[i] = st.Ino
		if path, ok := w.Path(0, st.Ino); ok {
			t.Errorf("while it is there: %q", path)
		}
	}
	for i := len(names) - 1; i >= 0; i-- {
		if err := os.Remove(filepath.Join(above.Dir, names[i])); err != nil {
			t.Fatal(err)
		}
		want := above.Path + "/" + names[i]
		if len(want) > 510 {
			want = ""
		}
		if path, ok := w.Path(0, ids[i]); ok != (want != "") || ok && path != want {
			t.Errorf("when it is gone: %q, %t, want %q", path, ok, want)
		}
	}
}
