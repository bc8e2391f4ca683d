package testutil

import (
	"errors"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"porttrace/internal/cgroup"
	"porttrace/internal/testutil/need"
)

// Cgroup is a cgroup, below the root, that lives as long as the test.
type Cgroup struct {
	Path string // in the hierarchy
	Dir  string // a folder that leads there
}

// NewCgroup makes a cgroup of this name, in which a * stands for what no other has. It
// needs root.
func NewCgroup(t testing.TB, name string) Cgroup {
	t.Helper()
	return newCgroup(t, name, cgroup.OpenRoot)
}

// NewCgroup1 is NewCgroup in a hierarchy of version 1.
func NewCgroup1(t testing.TB, v cgroup.Version1, name string) Cgroup {
	t.Helper()
	return newCgroup(t, name, v.OpenRoot)
}

func newCgroup(t testing.TB, name string, open func() (path string, done func() error, err error)) Cgroup {
	t.Helper()
	need.Root(t, "a cgroup of its own")
	root, done, err := open()
	if err != nil {
		t.Fatalf("making a cgroup: %v", err)
	}
	dir := filepath.Join(root, name)
	if strings.Contains(name, "*") {
		dir, err = os.MkdirTemp(root, name)
	} else {
		err = os.Mkdir(dir, 0o755)
	}
	if err != nil {
		t.Fatalf("making a cgroup: %v", err)
	}
	t.Cleanup(func() {
		if err := errors.Join(remove(dir), done()); err != nil {
			t.Errorf("removing a cgroup: %v", err)
		}
	})
	return Cgroup{"/" + filepath.Base(dir), dir}
}

// remove removes an empty cgroup. From Linux 6.19 on a process that has ended, and was waited
// for, still is in its cgroup for a moment (cgroup_task_dead).
func remove(dir string) error {
	for until := time.Now().Add(10 * time.Second); ; time.Sleep(time.Millisecond) {
		err := os.Remove(dir)
		if !errors.Is(err, unix.EBUSY) || time.Now().After(until) {
			return err
		}
	}
}

// Below makes a cgroup in this one, and those between, as long as the test lives.
func (c Cgroup) Below(t testing.TB, path string) Cgroup {
	t.Helper()
	at := c
	for name := range strings.SplitSeq(path, "/") {
		dir := filepath.Join(at.Dir, name)
		at = Cgroup{at.Path + "/" + name, dir}
		err := os.Mkdir(dir, 0o755)
		if errors.Is(err, os.ErrExist) {
			continue
		}
		if err != nil {
			t.Fatalf("making a cgroup: %v", err)
		}
		t.Cleanup(func() {
			if err := remove(dir); err != nil {
				t.Errorf("removing a cgroup: %v", err)
			}
		})
	}
	return at
}

// Add moves a process into the cgroup, 0 this one.
func (c Cgroup) Add(t testing.TB, pid int) {
	t.Helper()
	if err := os.WriteFile(c.Dir+"/cgroup.procs", []byte(strconv.Itoa(pid)), 0); err != nil {
		t.Fatalf("moving process %d into cgroup %s: %v", pid, c.Path, err)
	}
}

// Enter moves this process into the cgroup; leave moves it back.
func (c Cgroup) Enter(t testing.TB) (leave func()) {
	t.Helper()
	text, err := os.ReadFile("/proc/self/cgroup")
	if err != nil {
		t.Fatal(err)
	}
	_, path, _ := strings.Cut("\n"+string(text), "\n0::")
	path, _, _ = strings.Cut(path, "\n")
	home := Cgroup{path, filepath.Join(filepath.Dir(c.Dir), path)}
	c.Add(t, 0)
	return func() { home.Add(t, 0) }
}
