package recording

import (
	"bufio"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// TestMain is also the child processes of the tests here.
func TestMain(m *testing.M) {
	switch os.Getenv("PORTTRACE_TEST_CHILD") {
	case "limit":
		childWithLimit(os.Getenv("PORTTRACE_TEST_PATH"))
	case "endless":
		childWithoutEnd(os.Getenv("PORTTRACE_TEST_PATH"))
	default:
		os.Exit(m.Run())
	}
}

func child(t *testing.T, role, path string) *exec.Cmd {
	t.Helper()
	cmd := exec.Command(os.Args[0])
	cmd.Env = append(os.Environ(), "PORTTRACE_TEST_CHILD="+role, "PORTTRACE_TEST_PATH="+path)
	cmd.Stderr = os.Stderr
	return cmd
}

// childWithLimit may make files of 100,000 bytes, then of any size again.
func childWithLimit(path string) {
	var limit unix.Rlimit
	err := unix.Getrlimit(unix.RLIMIT_FSIZE, &limit)
	high := limit.Cur
	limit.Cur = 100_000
	err = errors.Join(err, unix.Setrlimit(unix.RLIMIT_FSIZE, &limit))
	f, cerr := Create(path, Options{Notice: func(format string, args ...any) { fmt.Printf(format+"\n", args...) }})
	if err = errors.Join(err, cerr); err != nil {
		panic(err)
	}
	g := newGenerator(1)
	for f.Settle() == 0 {
		for range 1000 {
			err = errors.Join(err, f.Write(g.record(5)))
		}
	}
	limit.Cur = high
	err = errors.Join(err, unix.Setrlimit(unix.RLIMIT_FSIZE, &limit), f.Write(examples()[1]))
	fmt.Println("missing", f.Settle())
	if err := errors.Join(err, f.Close()); err != nil {
		panic(err)
	}
}

func TestFileSizeLimit(t *testing.T) {
	for _, name := range forms {
		path := filepath.Join(t.TempDir(), name)
		out, err := child(t, "limit", path).Output()
		if err != nil {
			t.Fatal(err)
		}
		said := strings.Split(string(out), "\n")
		if len(said) != 4 || !strings.Contains(said[0], "file too large: tracing goes on") || !strings.HasPrefix(said[1], "recording again: ") {
			t.Fatalf("%q", said)
		}
		if c := contentsOf(t, path); c.torn || said[2] != fmt.Sprint("missing ", c.missing()) {
			t.Errorf("%+v, %q", c, said)
		}
	}
}

// childWithoutEnd records until it is killed, saying what is to be in the file.
func childWithoutEnd(path string) {
	f, err := Create(path, Options{RotateSize: 1 << 20})
	if err != nil {
		panic(err)
	}
	err = f.Write(examples()[0])
	tick := time.NewTicker(5 * time.Millisecond)
	for i := uint64(0); err == nil; i++ {
		r := *examples()[9]
		hold := *r.Hold
		hold.ID = i
		r.Hold = &hold
		err = f.Write(&r)
		select {
		case <-tick.C:
			err = errors.Join(err, f.Flush())
			if i%3 == 0 {
				f.Settle()
				fmt.Println(i)
			}
		default:
			if i%16 == 0 {
				time.Sleep(100 * time.Microsecond)
			}
		}
	}
	panic(err)
}

func TestKilled(t *testing.T) {
	for round := range 6 {
		name := forms[round%2]
		dir := t.TempDir()
		cmd := child(t, "endless", filepath.Join(dir, name))
		pipe, err := cmd.StdoutPipe()
		if err == nil {
			err = cmd.Start()
		}
		if err != nil {
			t.Fatal(err)
		}
		var settled int
		in := bufio.NewScanner(pipe)
		for lines := 0; lines < 5+7*round && in.Scan(); lines++ {
			fmt.Sscan(in.Text(), &settled)
		}
		if err := cmd.Process.Kill(); err != nil {
			t.Fatal(err)
		}
		for in.Scan() {
			fmt.Sscan(in.Text(), &settled)
		}
		cmd.Wait()
		var ids []int
		for number := 1; ; number++ {
			path := filepath.Join(dir, numbered(name, number))
			last := false
			if _, err := os.Lstat(path); err != nil {
				path, last = filepath.Join(dir, name), true
			}
			if _, err := os.Lstat(path); err != nil && last {
				break // killed between two parts
			}
			c := contentsOf(t, path)
			ids = append(ids, c.ids...)
			if c.torn && (!last || name == forms[0]) {
				t.Errorf("%s is torn", path)
			}
			if len(c.ids) > 0 && !slices.Equal(c.starts, []int{number}) {
				t.Errorf("%s: starts of parts %v, want %d", path, c.starts, number)
			}
			if last {
				break
			}
		}
		series(t, ids, len(ids), 0)
		if len(ids) <= settled || ids[len(ids)-1] != len(ids)-1 {
			t.Errorf("%s: %d records, and %d were settled", name, len(ids), settled+1)
		}
	}
}
