package cgroup

import (
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"golang.org/x/sys/unix"

	"porttrace/internal/testutil/need"
)

func openPaths(t *testing.T) *Paths {
	t.Helper()
	need.Root(t, "a cgroup is opened by its id")
	p, err := OpenPaths()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := p.Close(); err != nil {
			t.Error(err)
		}
	})
	return p
}

func idOf(t *testing.T, dir string) uint64 {
	t.Helper()
	var st unix.Stat_t
	if err := unix.Stat(dir, &st); err != nil {
		t.Fatal(err)
	}
	return st.Ino
}

// ownCgroup reads our path from the line "0::/path" of /proc/self/cgroup.
func ownCgroup(t *testing.T) string {
	t.Helper()
	text, err := os.ReadFile("/proc/self/cgroup")
	if err != nil {
		t.Fatal(err)
	}
	for line := range strings.Lines(string(text)) {
		if path, ok := strings.CutPrefix(line, "0::"); ok {
			return strings.TrimSpace(path)
		}
	}
	need.That(t, false, "a cgroup v2 that this process is in")
	return ""
}

func TestPathOfOurOwn(t *testing.T) {
	p := openPaths(t)
	own := ownCgroup(t)
	got, ok := p.Path(idOf(t, filepath.Join(selfPath(p.root), own)))
	if !ok || got != own {
		t.Errorf("got %q, %t, want %q", got, ok, own)
	}
}

func TestPathOfTheRoot(t *testing.T) {
	p := openPaths(t)
	if got, ok := p.Path(idOf(t, selfPath(p.root))); !ok || got != "/" {
		t.Errorf("got %q, %t, want /", got, ok)
	}
}

func TestPathOfOneThatWent(t *testing.T) {
	p := openPaths(t)
	dir, err := os.MkdirTemp(selfPath(p.root), "porttrace-test-")
	need.That(t, err == nil, "a cgroup of our own")
	id := idOf(t, dir)
	if got, ok := p.Path(id); !ok || got != "/"+filepath.Base(dir) {
		t.Errorf("alive: got %q, %t, want /%s", got, ok, filepath.Base(dir))
	}
	if err := os.Remove(dir); err != nil {
		t.Fatal(err)
	}
	if got, ok := p.Path(id); ok {
		t.Errorf("gone: got %q, want nothing", got)
	}
}

func TestPathOfNoCgroup(t *testing.T) {
	p := openPaths(t)
	for _, id := range []uint64{0, 1<<64 - 1} {
		if got, ok := p.Path(id); ok {
			t.Errorf("%d: got %q, want nothing", id, got)
		}
	}
}

func TestPathsAtOnce(t *testing.T) {
	p := openPaths(t)
	id := idOf(t, selfPath(p.root))
	var all sync.WaitGroup
	for range 16 {
		all.Go(func() {
			for range 100 {
				if got, ok := p.Path(id); !ok || got != "/" {
					t.Errorf("got %q, %t", got, ok)
				}
			}
		})
	}
	all.Wait()
}
