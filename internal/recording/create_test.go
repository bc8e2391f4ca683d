package recording

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"porttrace/internal/testutil/need"
	"porttrace/internal/thread"
)

func TestDefaultName(t *testing.T) {
	at := time.Date(2026, 11, 23, 21, 15, 0, 999, time.FixedZone("", 3600))
	if got := DefaultName(at); got != "porttrace-20261123T201500Z.jsonl" {
		t.Error(got)
	}
}

func TestCreate(t *testing.T) {
	dir := t.TempDir()
	old := unix.Umask(0o777)
	defer unix.Umask(old)
	for _, name := range []string{"a.jsonl", "b.jsonl.zst"} {
		path := filepath.Join(dir, name)
		f, err := Create(path, Options{})
		if err != nil {
			t.Fatal(err)
		}
		if f.Name() != path {
			t.Errorf("name %q", f.Name())
		}
		for _, r := range examples() {
			if err := f.Write(r); err != nil {
				t.Fatal(err)
			}
		}
		if err := errors.Join(f.Flush(), f.Close(), f.Close()); err != nil {
			t.Fatal(err)
		}
		if mode := stat(t, path).Mode(); mode != 0o640 {
			t.Errorf("%s: mode %v", name, mode)
		}
		in, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		if packed := in[0] == zstdMagic[0]; packed != strings.HasSuffix(name, ".zst") {
			t.Errorf("%s: compressed %v", name, packed)
		}
		if got, torn, err := read(in); err != nil || torn || len(got) != len(examples()) {
			t.Errorf("%s: %d records, torn %v, %v", name, len(got), torn, err)
		}
	}
}

func stat(t *testing.T, path string) fs.FileInfo {
	t.Helper()
	info, err := os.Lstat(path)
	if err != nil {
		t.Fatal(err)
	}
	return info
}

func TestCreateRefuses(t *testing.T) {
	dir := t.TempDir()
	in := func(name string) string { return filepath.Join(dir, name) }
	if err := os.WriteFile(in("there"), []byte("precious"), 0o600); err != nil {
		t.Fatal(err)
	}
	for link, target := range map[string]string{"link": "there", "dangling": "nothing", "loop": "loop"} {
		if err := os.Symlink(target, in(link)); err != nil {
			t.Fatal(err)
		}
	}
	for path, want := range map[string]struct {
		cause  error
		advice string
	}{
		in("there"):                    {unix.EEXIST, "choose another name with -o"},
		in("link"):                     {unix.EEXIST, "choose another name with -o"},
		in("dangling"):                 {unix.EEXIST, "choose another name with -o"},
		in("loop"):                     {unix.EEXIST, "choose another name with -o"},
		dir:                            {unix.EEXIST, "choose another name with -o"},
		"/dev/null":                    {unix.EEXIST, "choose another name with -o"},
		in("new") + "/":                {unix.EISDIR, "add a file name to -o"},
		in("missing/x.jsonl"):          {unix.ENOENT, "there is no folder"},
		in("there/x.jsonl"):            {unix.ENOTDIR, "is no folder"},
		in(strings.Repeat("long", 99)): {unix.ENAMETOOLONG, "choose another file with -o"},
		"":                             {unix.ENOENT, "name a file with -o"},
		"nul\x00":                      {unix.EINVAL, "choose another file with -o"},
	} {
		_, err := Create(path, Options{})
		if !errors.Is(err, want.cause) || !strings.Contains(err.Error(), want.advice) || !strings.HasPrefix(err.Error(), "creating recording ") {
			t.Errorf("%q: %v", path, err)
		}
	}
	if got, err := os.ReadFile(in("there")); err != nil || string(got) != "precious" {
		t.Errorf("the old file: %q, %v", got, err)
	}
	if entries, err := os.ReadDir(dir); err != nil || len(entries) != 4 {
		t.Errorf("left behind: %v, %v", entries, err)
	}
}

func TestCreateInReadOnlyFolder(t *testing.T) {
	dir, err := os.MkdirTemp("", "porttrace-test-") // every user may come this far
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(dir) })
	if err := os.Chmod(dir, 0o555); err != nil {
		t.Fatal(err)
	}
	h := &hand{thread.Keep(), nil}
	defer h.End()
	if os.Geteuid() == 0 {
		h.Do(func() { err = unix.Setfsuid(testUID) })
		if err != nil {
			t.Fatal(err)
		}
	}
	d, err := openFolder(dir, h)
	if err != nil {
		t.Fatal(err)
	}
	defer d.close()
	if _, err := d.create("x"); !errors.Is(err, fs.ErrPermission) || !strings.Contains(advice(dir+"/x", err), "is not writable") {
		t.Errorf("%v%s", err, advice(dir+"/x", err))
	}
}

func TestDiscard(t *testing.T) {
	path := filepath.Join(t.TempDir(), "x.jsonl")
	for name, change := range map[string]func() error{
		"unchanged": func() error { return nil },
		"gone":      func() error { return os.Remove(path) },
		"replaced": func() error {
			return errors.Join(os.Remove(path), os.WriteFile(path, []byte("precious"), 0o600))
		},
	} {
		f, err := Create(path, Options{})
		if err != nil {
			t.Fatal(err)
		}
		if err := errors.Join(change(), f.Discard(), f.Close()); err != nil {
			t.Errorf("%s: %v", name, err)
		}
		_, err = os.Lstat(path)
		if kept := err == nil; kept != (name == "replaced") {
			t.Errorf("%s: %v", name, err)
		}
		os.Remove(path)
	}
}

const testUID, testGID = 54321, 54322

// sudoFolders returns two folders that the user of the tests can reach, unlike those of
// the tests: one of that user and one of root.
func sudoFolders(t *testing.T) (mine, roots string) {
	t.Helper()
	need.Root(t, "files are given away")
	base, err := os.MkdirTemp("/tmp", "porttrace-recording-")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(base) })
	mine, roots = filepath.Join(base, "mine"), filepath.Join(base, "roots")
	err = errors.Join(os.Chmod(base, 0o755), os.Mkdir(mine, 0o700), os.Mkdir(roots, 0o775),
		os.Chmod(roots, 0o775), os.Chown(mine, testUID, testGID))
	if err != nil {
		t.Fatal(err)
	}
	return mine, roots
}

func TestSudo(t *testing.T) {
	asUser := Options{SudoUID: "54321", SudoGID: "54322"}
	mine, roots := sudoFolders(t)
	if err := os.Symlink(roots, filepath.Join(mine, "trap")); err != nil {
		t.Fatal(err)
	}
	for _, path := range []string{
		filepath.Join(mine, "x.jsonl"),
		filepath.Join(roots, "x.jsonl"), // made by root, then handed over
		mine + "/trap/y.jsonl",
	} {
		f, err := Create(path, asUser)
		if err != nil {
			t.Fatal(err)
		}
		if err := f.Close(); err != nil {
			t.Fatal(err)
		}
		info := stat(t, path)
		owner := info.Sys().(*syscall.Stat_t)
		if owner.Uid != testUID || owner.Gid != testGID || info.Mode() != 0o640 {
			t.Errorf("%s belongs to %d:%d, mode %v", path, owner.Uid, owner.Gid, info.Mode())
		}
		if _, err := Create(path, asUser); !errors.Is(err, fs.ErrExist) {
			t.Errorf("again: %v", err)
		}
	}
	// No thread keeps the user's rights.
	f, err := Create(filepath.Join(roots, "z.jsonl"), Options{})
	if err != nil {
		t.Fatal(err)
	}
	f.Close()
	if owner := stat(t, f.Name()).Sys().(*syscall.Stat_t); owner.Uid != 0 {
		t.Errorf("without sudo it belongs to %d", owner.Uid)
	}
}

func TestSudoVariablesAreParsedStrictly(t *testing.T) {
	need.Root(t, "they count only for root")
	dir := t.TempDir()
	for _, bad := range [][2]string{
		{"1000", ""}, {"", "1000"}, {"-1", "1000"}, {"+1", "1000"}, {"01000", "1000"}, {" 1000", "1000"},
		{"0x3e8", "1000"}, {"4294967295", "1000"}, {"4294967296", "1000"}, {"root", "root"}, {"1000", "1_000"},
	} {
		if _, err := Create(filepath.Join(dir, "x"), Options{SudoUID: bad[0], SudoGID: bad[1]}); err == nil || !strings.Contains(err.Error(), "unset SUDO_UID and SUDO_GID") {
			t.Errorf("%+v: %v", bad, err)
		}
	}
	if entries, _ := os.ReadDir(dir); len(entries) != 0 {
		t.Errorf("left behind: %v", entries)
	}
}
