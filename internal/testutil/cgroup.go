package testutil

import (
	"errors"
	"os"
	"path/filepath"
	"strconv"
	"testing"

	"porttrace/internal/cgroup"
	"porttrace/internal/testutil/need"
)

// Cgroup is a cgroup of version 2, below the root, that lives as long as the test.
type Cgroup struct {
	Path string // in the hierarchy
	Dir  string // a folder that leads there
}

// NewCgroup makes a cgroup. It needs root.
func NewCgroup(t testing.TB, name string) Cgroup {
	t.Helper()
	need.Root(t, "a cgroup of its own")
	root, done, err := cgroup.OpenRoot()
	if err != nil {
		t.Fatalf("making a cgroup: %v", err)
	}
	dir := filepath.Join(root, name)
	if err := os.Mkdir(dir, 0o755); err != nil {
		t.Fatalf("making a cgroup: %v", err)
	}
	t.Cleanup(func() {
		if err := errors.Join(os.Remove(dir), done()); err != nil {
			t.Errorf("removing a cgroup: %v", err)
		}
	})
	return Cgroup{"/" + name, dir}
}

// Add moves a process into the cgroup.
func (c Cgroup) Add(t testing.TB, pid int) {
	t.Helper()
	if err := os.WriteFile(c.Dir+"/cgroup.procs", []byte(strconv.Itoa(pid)), 0); err != nil {
		t.Fatalf("moving process %d into cgroup %s: %v", pid, c.Path, err)
	}
}
