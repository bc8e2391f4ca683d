package recording

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
)

func TestNumbered(t *testing.T) {
	for name, want := range map[string]string{
		"trace.jsonl": "trace.1.jsonl", "trace.jsonl.zst": "trace.1.jsonl.zst", "trace": "trace.1",
		"trace.zst": "trace.1.zst", ".hidden": ".hidden.1", "a.b.log": "a.b.1.log", ".zst": ".1.zst", "a.": "a.1.",
	} {
		if got := numbered(name, 1); got != want {
			t.Errorf("%s: %s, want %s", name, got, want)
		}
	}
}

// names returns what is in a folder.
func names(t *testing.T, dir string) (names []string) {
	t.Helper()
	entries, err := os.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range entries {
		names = append(names, e.Name())
	}
	return names
}

// partsOf reads the parts of a recording, the present one last.
func partsOf(t *testing.T, dir, name string) (parts []*contents) {
	t.Helper()
	for n := 1; ; n++ {
		path := filepath.Join(dir, numbered(name, n))
		if _, err := os.Lstat(path); err != nil {
			return append(parts, contentsOf(t, filepath.Join(dir, name)))
		}
		parts = append(parts, contentsOf(t, path))
	}
}

func TestRotation(t *testing.T) {
	const size = 20_000
	for _, name := range forms {
		dir := t.TempDir()
		f, h := create(t, filepath.Join(dir, name), Options{RotateSize: size})
		begin(t, f)
		n := 0
		for f.k.number < 6 { // after Settle the keeper is at rest
			write(t, f, n, n+50)
			n += 50
			f.Settle()
		}
		write(t, f, n, n+500) // many parts' worth at once
		n += 500
		if err := f.Close(); err != nil {
			t.Error(err)
		}
		parts := partsOf(t, dir, name)
		var ids []int
		for i, c := range parts {
			ids = append(ids, c.ids...)
			if c.torn || !slices.Equal(c.starts, []int{i + 1}) {
				t.Errorf("part %d: torn %v, starts %v", i+1, c.torn, c.starts)
			}
		}
		series(t, ids, n, 0)
		line := int64(len(AppendRecord(nil, examples()[9])))
		for i := range len(parts) - 1 {
			bytes := stat(t, filepath.Join(dir, numbered(name, i+1))).Size()
			if bytes < size || name == forms[0] && bytes >= size+line {
				t.Errorf("part %d has %d bytes", i+1, bytes)
			}
		}
		if len(h.all()) != 0 {
			t.Errorf("%q", h.all())
		}
	}
}

func TestRotationKeepsAndOverwritesNothing(t *testing.T) {
	dir := t.TempDir()
	for _, other := range []string{"x.1.jsonl", "x.3.jsonl", "x.4.jsonl"} { // of someone else
		if err := os.WriteFile(filepath.Join(dir, other), []byte("precious"), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	f, h := create(t, filepath.Join(dir, "x.jsonl"), Options{RotateSize: 10_000, RotateKeep: 2})
	begin(t, f)
	for n := 0; f.k.number < 5; n++ {
		write(t, f, n, n+1)
		f.Settle()
	}
	if got, want := names(t, dir), []string{"x.1.jsonl", "x.3.jsonl", "x.4.jsonl", "x.6.jsonl", "x.7.jsonl", "x.jsonl"}; !slices.Equal(got, want) {
		t.Errorf("%q, want %q", got, want)
	}
	// One of them has come to mean another file, made while the first is there: else it may
	// get the same inode.
	other := filepath.Join(dir, "x.6.jsonl")
	if err := errors.Join(os.WriteFile(other+"~", []byte("precious"), 0o600), os.Rename(other+"~", other)); err != nil {
		t.Fatal(err)
	}
	for n := 10_000; f.k.number < 9; n++ {
		write(t, f, n, n+1)
		f.Settle()
	}
	if got, want := names(t, dir), []string{"x.1.jsonl", "x.10.jsonl", "x.11.jsonl", "x.3.jsonl", "x.4.jsonl", "x.6.jsonl", "x.jsonl"}; !slices.Equal(got, want) {
		t.Errorf("%q, want %q", got, want)
	}
	for _, name := range []string{"x.1.jsonl", "x.6.jsonl"} {
		if got := string(bytesOf(t, filepath.Join(dir, name))); got != "precious" {
			t.Errorf("%s: %q", name, got)
		}
	}
	if err := f.Close(); err != nil || len(h.all()) != 0 {
		t.Errorf("%v, %q", err, h.all())
	}
}

// A folder moved under way is the same folder, whatever takes its place.
func TestRotationInMovedFolder(t *testing.T) {
	base := t.TempDir()
	dir, moved := filepath.Join(base, "a"), filepath.Join(base, "b")
	if err := os.Mkdir(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	f, _ := create(t, filepath.Join(dir, "x.jsonl"), Options{RotateSize: 10_000})
	begin(t, f)
	if err := errors.Join(os.Rename(dir, moved), os.Mkdir(dir, 0o755)); err != nil {
		t.Fatal(err)
	}
	write(t, f, 0, 100)
	if err := f.Close(); err != nil {
		t.Error(err)
	}
	if len(names(t, dir)) != 0 || len(names(t, moved)) < 3 {
		t.Errorf("%q and %q", names(t, dir), names(t, moved))
	}
}

func TestRotationThatFails(t *testing.T) {
	dir := t.TempDir()
	path, other := filepath.Join(dir, "x.jsonl"), filepath.Join(dir, "other.jsonl")
	f, h := create(t, path, Options{RotateSize: 10_000})
	begin(t, f)
	// The name is another file's: neither renamed nor overwritten.
	if err := errors.Join(os.Rename(path, other), os.WriteFile(path, []byte("precious"), 0o600)); err != nil {
		t.Fatal(err)
	}
	n := 0
	for ; f.k.limit < 40_000; n++ {
		write(t, f, n, n+1)
		f.Settle()
	}
	if got := h.all(); len(got) != 1 || !strings.Contains(got[0], "beginning the next part of recording") || !strings.Contains(got[0], "file exists: going on in the present one") {
		t.Errorf("%q", got)
	}
	if err := os.Remove(path); err != nil {
		t.Fatal(err)
	}
	for ; f.k.number < 2; n++ {
		write(t, f, n, n+1)
		f.Settle()
	}
	write(t, f, n, n+5)
	if err := f.Close(); err != nil {
		t.Error(err)
	}
	old, now := contentsOf(t, other), contentsOf(t, path)
	series(t, slices.Concat(old.ids, now.ids), n+5, 0)
	if !slices.Equal(old.starts, []int{1}) || !slices.Equal(now.starts, []int{2}) {
		t.Errorf("parts %v and %v", old.starts, now.starts)
	}
}

// A disk without an inode left lets a part be renamed, but none be made.
func TestRotationWithoutInodes(t *testing.T) {
	dir := tmpfs(t, "size=4m,nr_inodes=3") // the root, the recording and one more
	other := filepath.Join(dir, "ballast")
	f, h := create(t, filepath.Join(dir, "x.jsonl"), Options{RotateSize: 10_000})
	begin(t, f)
	if err := os.WriteFile(other, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	n := 0
	for ; f.k.limit < 30_000; n++ {
		write(t, f, n, n+1)
		f.Settle()
	}
	if got := h.all(); len(got) != 1 || !strings.Contains(got[0], `no space left on device: going on in the present one, "x.1.jsonl"`) {
		t.Errorf("%q", got)
	}
	if err := os.Remove(other); err != nil {
		t.Fatal(err)
	}
	for ; f.k.number < 2; n++ {
		write(t, f, n, n+1)
		f.Settle()
	}
	if err := f.Close(); err != nil {
		t.Error(err)
	}
	parts := partsOf(t, dir, "x.jsonl")
	if len(parts) != 2 {
		t.Fatalf("%d parts", len(parts))
	}
	series(t, slices.Concat(parts[0].ids, parts[1].ids), n, 0)
}

// A full disk and rotation: the oldest part goes, and with it the want of room.
func TestRotationMakesRoom(t *testing.T) {
	dir := tmpfs(t, "size=1m")
	f, h := create(t, filepath.Join(dir, "x.jsonl"), Options{RotateSize: 200_000, RotateKeep: 2})
	begin(t, f)
	for n := range 200 {
		write(t, f, n*50, n*50+50)
		f.Settle()
	}
	if err := f.Close(); err != nil || len(h.all()) != 0 || f.Settle() != 0 {
		t.Errorf("%v, %q, %d missing", err, h.all(), f.Settle())
	}
}

func TestRotationUnderSudo(t *testing.T) {
	mine, roots := sudoFolders(t)
	for _, dir := range []string{mine, roots} {
		f, h := create(t, filepath.Join(dir, "x.jsonl"), Options{SudoUID: "54321", SudoGID: "54322", RotateSize: 10_000, RotateKeep: 3})
		begin(t, f)
		for n := 0; f.k.number < 6; n++ {
			write(t, f, n, n+1)
			f.Settle()
		}
		if err := f.Close(); err != nil || len(h.all()) != 0 {
			t.Errorf("%v, %q", err, h.all())
		}
		got := names(t, dir)
		if len(got) != 4 {
			t.Errorf("%q", got)
		}
		for _, name := range got {
			info := stat(t, filepath.Join(dir, name))
			owner := info.Sys().(*syscall.Stat_t)
			if owner.Uid != testUID || owner.Gid != testGID || info.Mode() != 0o640 {
				t.Errorf("%s belongs to %d:%d, mode %v", name, owner.Uid, owner.Gid, info.Mode())
			}
		}
	}
}

// copytruncate empties the file under way.
func TestTruncatedByOthers(t *testing.T) {
	t.Parallel()
	for _, name := range forms {
		for _, wait := range []bool{false, true} {
			path := filepath.Join(t.TempDir(), name)
			f, h := create(t, path, Options{})
			begin(t, f)
			write(t, f, 0, 1000)
			f.Settle()
			if name == forms[1] { // in the middle of a frame
				write(t, f, 1000, 1001)
				f.Flush()
				eventually(t, "the keeper is done with it", func() bool { return f.k.q.Taken() == 1 })
				if n := len(contentsOf(t, path).ids); n != 1001 {
					t.Errorf("%d records", n)
				}
			}
			if err := os.Truncate(path, 0); err != nil {
				t.Fatal(err)
			}
			if wait { // until it is noticed without anything to write
				eventually(t, "the next part begins", func() bool { return stat(t, path).Size() > 0 })
			}
			write(t, f, 2000, 2010)
			if missing := f.Settle(); missing != 0 {
				t.Errorf("%d missing", missing)
			}
			if err := f.Close(); err != nil || len(h.all()) != 0 {
				t.Errorf("%v, %q", err, h.all())
			}
			c := contentsOf(t, path)
			if fmt.Sprint(c.ids) != "[2000 2001 2002 2003 2004 2005 2006 2007 2008 2009]" || !slices.Equal(c.starts, []int{2}) || c.torn {
				t.Errorf("%s: %+v", name, c)
			}
		}
	}
}
