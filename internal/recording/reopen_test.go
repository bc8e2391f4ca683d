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

	"golang.org/x/sys/unix"

	"porttrace/internal/testutil/need"
)

func reopen(t *testing.T, f *File) {
	t.Helper()
	if err := f.Reopen(); err != nil {
		t.Fatal(err)
	}
	f.Settle()
}

// What logrotate does, without and with "create".
func TestReopenAfterMove(t *testing.T) {
	for _, name := range forms {
		for _, made := range []bool{false, true} {
			dir := t.TempDir()
			path, old := filepath.Join(dir, name), filepath.Join(dir, "old")
			f, h := create(t, path, Options{})
			begin(t, f)
			write(t, f, 0, 1000)
			f.Flush()
			err := os.Rename(path, old)
			if made {
				err = errors.Join(err, os.WriteFile(path, nil, 0o600))
			}
			if err != nil {
				t.Fatal(err)
			}
			write(t, f, 1000, 1010)
			reopen(t, f)
			write(t, f, 1010, 1020)
			if err := f.Close(); err != nil || len(h.all()) != 0 || f.Settle() != 0 {
				t.Errorf("%v, %q", err, h.all())
			}
			before, after := contentsOf(t, old), contentsOf(t, path)
			series(t, slices.Concat(before.ids, after.ids), 1020, 0)
			if before.torn || after.torn || !slices.Equal(before.starts, []int{0}) || !slices.Equal(after.starts, []int{2}) || len(after.ids) < 10 {
				t.Errorf("%s, made %v: %d records of parts %v, then %d of %v", name, made, len(before.ids), before.starts, len(after.ids), after.starts)
			}
			if mode := stat(t, path).Mode(); !made && mode != 0o640 {
				t.Errorf("mode %v", mode)
			}
		}
	}
}

func TestReopenUnchanged(t *testing.T) {
	path := filepath.Join(t.TempDir(), "x.jsonl.zst")
	f, h := create(t, path, Options{})
	begin(t, f)
	for n := range 5 {
		write(t, f, n*10, n*10+10)
		reopen(t, f)
	}
	if err := f.Close(); err != nil || len(h.all()) != 0 {
		t.Errorf("%v, %q", err, h.all())
	}
	c := contentsOf(t, path)
	series(t, c.ids, 50, 0)
	if len(c.starts) != 1 {
		t.Errorf("starts %v", c.starts)
	}
}

func TestReopenTakesNothingOfOthers(t *testing.T) {
	for name, c := range map[string]struct {
		make func(path string) error
		why  string
	}{
		"full":    {func(p string) error { return os.WriteFile(p, []byte("x"), 0o600) }, "is not empty"},
		"link":    {func(p string) error { return os.Symlink("empty", p) }, "no regular file"},
		"folder":  {func(p string) error { return os.Mkdir(p, 0o700) }, "no regular file"},
		"fifo":    {func(p string) error { return unix.Mkfifo(p, 0o600) }, "no regular file"},
		"2 names": {func(p string) error { return os.Link(filepath.Join(filepath.Dir(p), "empty"), p) }, "other names"},
		"foreign": {func(p string) error {
			return errors.Join(os.WriteFile(p, nil, 0o600), os.Chown(p, testUID+1, testGID))
		}, fmt.Sprintf("belongs to user %d", testUID+1)},
	} {
		t.Run(name, func(t *testing.T) {
			if name == "foreign" {
				need.Root(t, "a file is given away")
			}
			dir := t.TempDir()
			path, old := filepath.Join(dir, "x.jsonl"), filepath.Join(dir, "old")
			f, h := create(t, path, Options{})
			begin(t, f)
			write(t, f, 0, 10)
			err := errors.Join(os.WriteFile(filepath.Join(dir, "empty"), nil, 0o600), os.Rename(path, old), c.make(path))
			if err != nil {
				t.Fatal(err)
			}
			reopen(t, f)
			write(t, f, 10, 20)
			if err := f.Close(); err != nil {
				t.Error(err)
			}
			if got := h.all(); len(got) != 1 || !strings.Contains(got[0], c.why) || !strings.Contains(got[0], "going on in the file it has") {
				t.Errorf("%q", got)
			}
			series(t, contentsOf(t, old).ids, 20, 0)
			if stat(t, filepath.Join(dir, "empty")).Size() != 0 {
				t.Error("the other file was written")
			}
		})
	}
}

func TestReopenUnderSudo(t *testing.T) {
	mine, roots := sudoFolders(t)
	for _, dir := range []string{mine, roots} {
		for _, owner := range []int{-1, 0, testUID, testUID + 1} {
			path := filepath.Join(dir, "x.jsonl")
			f, h := create(t, path, Options{SudoUID: "54321", SudoGID: "54322"})
			begin(t, f)
			err := os.Rename(path, path+".old")
			if owner >= 0 {
				err = errors.Join(err, os.WriteFile(path, nil, 0o600), os.Chown(path, owner, owner))
			}
			if err != nil {
				t.Fatal(err)
			}
			reopen(t, f)
			taken := owner != testUID+1
			if told := len(h.all()) != 0; told == taken || (stat(t, path).Size() > 0) != taken {
				t.Errorf("%s, owner %d: %q", dir, owner, h.all())
			}
			if uid := stat(t, path).Sys().(*syscall.Stat_t).Uid; owner < 0 && uid != testUID {
				t.Errorf("made anew, it belongs to %d", uid)
			}
			if err := errors.Join(f.Close(), os.Remove(path), os.Remove(path+".old")); err != nil {
				t.Error(err)
			}
		}
	}
}

func TestRemovedAndMadeAnew(t *testing.T) {
	t.Parallel()
	for _, name := range forms {
		for _, folder := range []bool{false, true} {
			dir := filepath.Join(t.TempDir(), "traces")
			if err := os.Mkdir(dir, 0o755); err != nil {
				t.Fatal(err)
			}
			path := filepath.Join(dir, name)
			f, h := create(t, path, Options{})
			begin(t, f)
			write(t, f, 0, 10)
			f.Settle()
			err := os.Remove(path)
			if folder {
				err = errors.Join(err, os.Remove(dir))
			}
			if err != nil {
				t.Fatal(err)
			}
			eventually(t, "it is noticed", func() bool { return h.have("was removed: what is recorded goes nowhere; SIGHUP makes it anew") })
			write(t, f, 10, 20)
			if missing := f.Settle(); missing != 10 {
				t.Errorf("%d missing", missing)
			}
			if folder {
				reopen(t, f)
				if !h.have("no such file or directory: going on in the file it has") {
					t.Errorf("%q", h.all())
				}
				if err := os.Mkdir(dir, 0o755); err != nil {
					t.Fatal(err)
				}
			}
			reopen(t, f)
			write(t, f, 20, 30)
			if err := f.Close(); err != nil {
				t.Error(err)
			}
			c := contentsOf(t, path)
			if len(c.ids) != 10 || c.ids[0] != 20 || !slices.Equal(c.lost, []int{10}) || !slices.Equal(c.starts, []int{2}) {
				t.Errorf("%+v", c)
			}
		}
	}
}

func TestRemovedAtTheEnd(t *testing.T) {
	for _, name := range forms {
		f, h := create(t, filepath.Join(t.TempDir(), name), Options{})
		begin(t, f)
		write(t, f, 0, 10)
		if err := os.Remove(f.Name()); err != nil {
			t.Fatal(err)
		}
		err := f.Close()
		if err == nil || !strings.Contains(err.Error(), "was removed while it was written") || len(h.all()) != 1 {
			t.Errorf("%v, %q", err, h.all())
		}
	}
}
