package recording

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"porttrace/internal/lifetime"
	"porttrace/internal/testutil/need"
)

// tmpfs mounts a disk of its own.
func tmpfs(t *testing.T, options string) string {
	t.Helper()
	need.Root(t, "disks are mounted")
	dir := t.TempDir()
	if err := unix.Mount("porttrace-test", dir, "tmpfs", 0, options); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { unix.Unmount(dir, unix.MNT_DETACH) })
	return dir
}

// fill leaves a disk without room, but for what rounding leaves.
func fill(t *testing.T, path string) {
	t.Helper()
	f, err := os.Create(path)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	for chunk := make([]byte, 4096); err == nil; {
		_, err = f.Write(chunk)
	}
	if !errors.Is(err, unix.ENOSPC) {
		t.Fatal(err)
	}
}

func TestDiskFullThenFree(t *testing.T) {
	for _, name := range forms {
		t.Run(name, func(t *testing.T) {
			dir := tmpfs(t, "size=2m")
			path, ballast := filepath.Join(dir, name), filepath.Join(dir, "ballast")
			f, h := create(t, path, Options{})
			begin(t, f)
			write(t, f, 0, 100)
			f.Settle()
			fill(t, ballast)
			n := 100
			for !h.have("no space left on device: tracing goes on, records are being dropped until there is room") {
				write(t, f, n, n+100)
				f.Flush()
				n += 100
			}
			if c := contentsOf(t, path); c.torn {
				t.Error("a torn line stays in the file")
			}
			before := int(f.Settle())
			if before == 0 {
				t.Error("nothing is missing")
			}
			write(t, f, n, n+100) // in the hole
			n += 100
			f.Flush()
			if err := os.Remove(ballast); err != nil {
				t.Fatal(err)
			}
			eventually(t, "recording again", func() bool { return h.have("recording again") })
			write(t, f, n, n+100)
			n += 100
			missing := int(f.Settle())
			if err := f.Close(); err != nil {
				t.Error(err)
			}
			c := contentsOf(t, path)
			series(t, c.ids, n, missing)
			if c.missing() != missing || c.torn || c.ids[len(c.ids)-1] != n-1 || !slices.Equal(c.starts, []int{0}) {
				t.Errorf("%d missing, told %v, starts %v, torn %v", missing, c.lost, c.starts, c.torn)
			}
			// It may have fitted a few more before there was room: those say no more.
			if got := h.all(); len(got) != 2 || !strings.HasPrefix(got[1], "recording again: ") {
				t.Errorf("%q", got)
			}
		})
	}
}

// After an end record that found no room there is no recording again: what is missing at
// its end only the error can tell.
func TestNothingFollowsTheEnd(t *testing.T) {
	for _, name := range forms {
		t.Run(name, func(t *testing.T) {
			path := filepath.Join(t.TempDir(), name)
			f, h := create(t, path, Options{})
			full := fillable(f)
			begin(t, f)
			write(t, f, 0, 100)
			f.Settle()
			full.Store(true)
			if err := f.Write(&lifetime.Record{Type: lifetime.End, End: &lifetime.EndInfo{}}); err != nil {
				t.Fatal(err)
			}
			f.Flush()
			eventually(t, "the end is given up", func() bool { return h.have("no space left on device") })
			full.Store(false)
			time.Sleep(2 * interval) // what is done each second is to leave it alone
			err := f.Close()
			c := contentsOf(t, path)
			if c.torn || c.ended || len(c.ids) != 100 || len(c.lost) != 0 {
				t.Errorf("torn %v, ended %v, %d lifetimes, lost %v", c.torn, c.ended, len(c.ids), c.lost)
			}
			if err == nil || !strings.Contains(err.Error(), "1 record is missing at its end") {
				t.Error(err)
			}
		})
	}
}

// The start record comes first even if there was no room for it at first.
func TestDiskFullFromTheStart(t *testing.T) {
	for _, name := range forms {
		t.Run(name, func(t *testing.T) {
			dir := tmpfs(t, "size=1m")
			path, ballast := filepath.Join(dir, name), filepath.Join(dir, "ballast")
			f, h := create(t, path, Options{})
			fill(t, ballast)
			begin(t, f)
			write(t, f, 0, 100)
			if f.Settle() != 100 {
				t.Error("not all are missing")
			}
			os.Remove(ballast)
			write(t, f, 100, 200)
			if f.Settle() != 100 {
				t.Error("Settle did not try again")
			}
			if err := f.Close(); err != nil {
				t.Error(err)
			}
			c := contentsOf(t, path)
			series(t, c.ids, 200, 100)
			if !slices.Equal(c.starts, []int{0}) || !slices.Equal(c.lost, []int{100}) || len(h.all()) != 2 {
				t.Errorf("%+v, %q", c, h.all())
			}
			if first, _, err := read(bytesOf(t, path)); err != nil || len(first) > 0 && first[0].Start == nil {
				t.Error("the start record is not the first")
			}
		})
	}
}

func TestDiskFullAtTheEnd(t *testing.T) {
	for _, name := range forms {
		t.Run(name, func(t *testing.T) {
			dir := tmpfs(t, "size=1m")
			f, _ := create(t, filepath.Join(dir, name), Options{})
			begin(t, f)
			write(t, f, 0, 10)
			f.Settle()
			fill(t, filepath.Join(dir, "ballast"))
			n := 10
			for f.Settle() == 0 {
				write(t, f, n, n+100)
				n += 100
			}
			write(t, f, n, n+7)
			err := f.Close()
			c := contentsOf(t, f.Name())
			missing := int(f.Settle())
			want := fmt.Sprintf("writing recording %q: %d records are missing at its end: no space left on device", f.Name(), missing-c.missing())
			if !errors.Is(err, unix.ENOSPC) || err.Error() != want || f.Close() != err {
				t.Errorf("%v\nwant %s", err, want)
			}
			series(t, c.ids, n+7, missing)
			if c.torn {
				t.Error("torn")
			}
		})
	}
}

// breakDisk has writes fail half-way.
func breakDisk(f *File) (mend func()) {
	p := f.k.part
	disk := p.write
	p.write = func(b []byte) (int, error) {
		n, _ := disk(b[:len(b)/2+3])
		return n, &os.PathError{Op: "write", Path: f.Name(), Err: unix.EIO}
	}
	return func() { p.write = disk }
}

func TestBrokenDisk(t *testing.T) {
	for _, name := range forms {
		path := filepath.Join(t.TempDir(), name)
		f, h := create(t, path, Options{})
		begin(t, f)
		write(t, f, 0, 10)
		f.Settle()
		mend := breakDisk(f)
		write(t, f, 10, 20)
		if missing := f.Settle(); missing == 0 || missing > 10 {
			t.Errorf("%d missing", missing)
		}
		if !h.have("input/output error: tracing goes on, records are being dropped until it can be written again") {
			t.Errorf("%q", h.all())
		}
		if contentsOf(t, path).torn {
			t.Error("torn")
		}
		mend()
		write(t, f, 20, 30)
		missing := int(f.Settle())
		if err := f.Close(); err != nil {
			t.Error(err)
		}
		c := contentsOf(t, path)
		series(t, c.ids, 30, missing)
		if c.missing() != missing || missing == 0 {
			t.Errorf("%d missing, told %v", missing, c.lost)
		}
	}
}

// Where a torn line cannot be cut off, nothing is written behind it until it can.
func TestTornLineThatStays(t *testing.T) {
	t.Parallel()
	need.Root(t, "a file is made append-only")
	for _, name := range forms {
		path := filepath.Join(t.TempDir(), name)
		f, h := create(t, path, Options{})
		fd := int(f.k.part.f.Fd())
		const appendOnly = 0x20 // FS_APPEND_FL
		if err := unix.IoctlSetPointerInt(fd, unix.FS_IOC_SETFLAGS, appendOnly); err != nil {
			t.Skipf("this file system has no append-only files: %v", err)
		}
		begin(t, f)
		write(t, f, 0, 10)
		f.Settle()
		mend := breakDisk(f)
		write(t, f, 10, 20)
		missing := f.Settle()
		mend()
		write(t, f, 20, 30)
		if now := f.Settle(); missing == 0 || now != missing+10 {
			t.Errorf("%d, then %d missing", missing, now)
		}
		if !contentsOf(t, path).torn {
			t.Error("not torn: is this test right?")
		}
		if err := unix.IoctlSetPointerInt(fd, unix.FS_IOC_SETFLAGS, 0); err != nil {
			t.Fatal(err)
		}
		eventually(t, "recording again", func() bool { return h.have("recording again") })
		write(t, f, 30, 40)
		if err := f.Close(); err != nil {
			t.Error(err)
		}
		c := contentsOf(t, path)
		series(t, c.ids, 40, int(missing)+10)
		if c.torn || c.missing() != int(missing)+10 {
			t.Errorf("%+v", c)
		}
	}
}

// The end record is worth an attempt on a disk that refused the last one, flushed or not:
// without it a recording that can be written again would end without saying so.
func TestEndAfterBrokenDisk(t *testing.T) {
	for _, name := range forms {
		path := filepath.Join(t.TempDir(), name)
		f, _ := create(t, path, Options{})
		begin(t, f)
		mend := breakDisk(f)
		write(t, f, 0, 10)
		missing := f.Settle()
		mend()
		end := &lifetime.Record{Type: lifetime.End, Time: 1, End: &lifetime.EndInfo{Lost: missing}}
		if err := errors.Join(f.Write(end), f.Flush(), f.Close()); err != nil {
			t.Fatal(err)
		}
		records, torn, err := read(bytesOf(t, path))
		if err != nil || torn || len(records) == 0 || records[len(records)-1].Type != lifetime.End {
			t.Errorf("%s: %d records, torn %v, %v", name, len(records), torn, err)
		}
	}
}

// fillable lets the test say when the disk of a recording is full.
func fillable(f *File) *atomic.Bool {
	full := new(atomic.Bool)
	onDisk := f.k.part.write
	f.k.part.write = func(b []byte) (int, error) {
		if full.Load() {
			return 0, unix.ENOSPC
		}
		return onDisk(b)
	}
	return full
}
