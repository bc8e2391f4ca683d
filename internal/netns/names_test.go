package netns

import (
	"os"
	"path/filepath"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"porttrace/internal/ktime"
	"porttrace/internal/testutil/need"
)

// place binds a namespace to a name in a folder.
func place(t *testing.T, ns, path string) {
	t.Helper()
	if err := os.WriteFile(path, nil, 0o444); err != nil {
		t.Fatal(err)
	}
	if err := unix.Mount(ns, path, "", unix.MS_BIND, ""); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { unix.Unmount(path, unix.MNT_DETACH) })
}

func TestNames(t *testing.T) {
	need.Root(t, "names for namespaces")
	ip, docker := t.TempDir(), t.TempDir()
	n := &Names{dirs: []string{ip, filepath.Join(ip, "none"), docker}}
	self, err := Self()
	if err != nil {
		t.Fatal(err)
	}
	now := ktime.Time(time.Hour)
	want := func(inode uint32, name string) {
		t.Helper()
		now = now.Add(2 * later) // when all may be looked at again
		if got := n.Name(inode, now); got != name {
			t.Errorf("%d is %q, want %q", inode, got, name)
		}
	}
	want(self.Inode, "")
	place(t, self.path, filepath.Join(docker, "0123456789ab"))
	want(self.Inode, "0123456789ab")
	n.known = nil
	place(t, self.path, filepath.Join(ip, "red"))
	place(t, self.path, filepath.Join(ip, "blue"))
	place(t, "/proc/self/ns/ipc", filepath.Join(ip, "ipc"))                      // of another type
	if err := os.WriteFile(filepath.Join(ip, "amber"), nil, 0o444); err != nil { // being made
		t.Fatal(err)
	}
	want(self.Inode, "blue")
	unix.Unmount(filepath.Join(ip, "blue"), unix.MNT_DETACH)
	want(self.Inode, "red")
	want(1, "")
	var stray unix.Stat_t
	if err := unix.Stat(filepath.Join(ip, "amber"), &stray); err != nil {
		t.Fatal(err)
	}
	want(uint32(stray.Ino), "")
}

// Names that come a little late are found soon; where there are none, nobody looks often.
func TestNamesAreLookedForSeldom(t *testing.T) {
	n := &Names{dirs: []string{t.TempDir()}}
	now, looks := ktime.Time(1), 0
	var last ktime.Time
	for range 200_000 { // at a thousand a second
		now = now.Add(time.Millisecond)
		n.Name(7, now)
		if n.next != last {
			last = n.next
			looks++
		}
	}
	if looks < 5 || looks > 25 {
		t.Errorf("%d looks in 200 s", looks)
	}
	for i := range uint32(3 * mostNames) {
		n.Name(i, now)
	}
	if len(n.known) > mostNames {
		t.Errorf("%d namespaces are remembered", len(n.known))
	}
}
