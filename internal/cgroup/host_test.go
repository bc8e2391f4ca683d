package cgroup_test

import (
	"errors"
	"os"
	"strings"
	"testing"

	"golang.org/x/sys/unix"

	"porttrace/internal/cgroup"
	"porttrace/internal/testutil"
	"porttrace/internal/testutil/need"
	"porttrace/internal/thread"
)

// onHost runs f on a thread that sees cgroups mounted in a layout, and that nobody gets
// after it.
func onHost(t *testing.T, layout testutil.CgroupLayout, f func()) {
	t.Helper()
	need.Root(t, "mounts of its own")
	var err error
	thread.Spend(func() {
		if err = testutil.EnterMountNS(layout); err == nil {
			f()
		}
	})
	if err != nil {
		t.Fatal(err)
	}
}

// layouts say where the whole hierarchy is mounted.
var layouts = map[testutil.CgroupLayout]string{
	testutil.Unified:   testutil.CgroupFolder,
	testutil.Hybrid:    testutil.CgroupFolder + "/unified",
	testutil.Version1:  "",
	testutil.Unmounted: "",
	testutil.Covered:   "",
}

func TestRootOnAnyHost(t *testing.T) {
	for layout, place := range layouts {
		t.Run(string(layout), func(t *testing.T) {
			onHost(t, layout, func() {
				checkMounted(t, place)
				checkPaths(t, newCgroup(t).Path)
			})
		})
	}
}

func checkMounted(t *testing.T, want string) {
	t.Helper()
	got, err := cgroup.Mounted()
	if got != want || (want == "") != errors.Is(err, cgroup.ErrNotMounted) {
		t.Errorf("mounted at %q, %v, want %q", got, err, want)
	}
}

// checkPaths checks that the root and a cgroup in it have their whole paths, and that no
// mount comes or stays.
func checkPaths(t *testing.T, name string) {
	t.Helper()
	before := mounts(t)
	root, done, err := cgroup.OpenRoot()
	if err != nil {
		t.Error(err)
		return
	}
	// every cgroup has a type but the root (cgroup-v2.rst)
	if _, err := os.Stat(root + "/cgroup.type"); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("it opened another cgroup than the root: its cgroup.type: %v", err)
	}
	p, err := cgroup.OpenPaths()
	if err != nil {
		t.Error(err)
		return
	}
	for _, want := range []string{"/", name} {
		if got, ok := p.Path(inode(t, root+want)); !ok || got != want {
			t.Errorf("path %q, %t, want %q", got, ok, want)
		}
	}
	if during := mounts(t); during != before {
		t.Errorf("mounts changed from\n%s\nto\n%s", before, during)
	}
	if err := errors.Join(p.Close(), done()); err != nil {
		t.Error(err)
	}
}

func mounts(t *testing.T) string {
	t.Helper()
	text, err := os.ReadFile("/proc/thread-self/mountinfo")
	if err != nil {
		t.Error(err)
	}
	// tests of others name network namespaces meanwhile
	var lines strings.Builder
	for line := range strings.Lines(string(text)) {
		if strings.Contains(line, "cgroup") {
			lines.WriteString(line)
		}
	}
	return lines.String()
}

func inode(t *testing.T, path string) uint64 {
	t.Helper()
	var st unix.Stat_t
	if err := unix.Stat(path, &st); err != nil {
		t.Error(err)
	}
	return st.Ino
}

// newCgroup makes a cgroup for the time of the test.
func newCgroup(t *testing.T) testutil.Cgroup {
	t.Helper()
	return testutil.NewCgroup(t, "porttrace-test-*")
}

// A mount sets the options of the whole host, but ours, which is for a look, does not.
func TestPrivateMountLeavesOptions(t *testing.T) {
	onHost(t, testutil.Covered, func() {
		before, err := testutil.CgroupOptions()
		if err != nil {
			t.Error(err)
		}
		place := t.TempDir()
		mount := func(options string) {
			if err := unix.Mount("cgroup2", place, "cgroup2", 0, options); err != nil {
				t.Error(err)
			}
		}
		mount(strings.Trim(before+",nsdelegate", ","))
		defer mount(before)
		set, err := testutil.CgroupOptions()
		if !strings.Contains(set, "nsdelegate") || err != nil {
			t.Errorf("options %q, %v, want nsdelegate", set, err)
		}
		if err := unix.Unmount(place, 0); err != nil { // or it would be found
			t.Error(err)
		}
		checkMounted(t, "")
		checkPaths(t, newCgroup(t).Path)
		if after, err := testutil.CgroupOptions(); after != set || err != nil {
			t.Errorf("options %q, %v, want %q", after, err, set)
		}
	})
}

// A bind mount of a part, over the whole or alone, is not taken for the whole.
func TestPartBoundOverTheWhole(t *testing.T) {
	onHost(t, testutil.Unified, func() {
		own := newCgroup(t)
		if err := unix.Mount(testutil.CgroupFolder+own.Path, testutil.CgroupFolder, "", unix.MS_BIND, ""); err != nil {
			t.Error(err)
		}
		checkMounted(t, "")
		checkPaths(t, own.Path)
	})
}

// In a cgroup namespace "/" is the namespace's own cgroup; a mount there shows no more.
func TestRootFromCgroupNamespace(t *testing.T) {
	for _, layout := range []testutil.CgroupLayout{testutil.Unified, testutil.Unmounted} {
		t.Run(string(layout), func(t *testing.T) {
			onHost(t, testutil.Unmounted, func() {
				own := newCgroup(t)
				leave := own.Enter(t)
				if err := unix.Unshare(unix.CLONE_NEWCGROUP); err != nil {
					t.Error(err)
				}
				leave()
				if err := testutil.EnterMountNS(layout); err != nil {
					t.Error(err)
				}
				checkMounted(t, "")
				checkPaths(t, own.Path)
			})
		})
	}
}
