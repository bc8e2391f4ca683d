package main

import (
	"bytes"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
)

// entry is one of an archive, read by the format's own rules.
type entry struct {
	name    string
	mode    int64
	content string
}

// readArchive reads what a kernel would (init/initramfs.c).
func readArchive(t *testing.T, data []byte) []entry {
	t.Helper()
	var all []entry
	for at := 0; ; {
		head := string(data[at : at+110])
		if !strings.HasPrefix(head, "070701") {
			t.Fatalf("no header at %d: %q", at, head)
		}
		field := func(i int) int {
			n, err := strconv.ParseInt(head[6+8*i:14+8*i], 16, 64)
			if err != nil {
				t.Fatal(err)
			}
			return int(n)
		}
		size, named := field(6), field(11)
		name := strings.TrimRight(string(data[at+110:at+110+named]), "\x00")
		body := (at + 110 + named + 3) &^ 3
		if name == "TRAILER!!!" {
			return all
		}
		all = append(all, entry{name, int64(field(1)), string(data[body : body+size])})
		at = (body + size + 3) &^ 3
	}
}

func TestArchive(t *testing.T) {
	file := filepath.Join(t.TempDir(), "f")
	if err := os.WriteFile(file, []byte("12345"), 0o600); err != nil {
		t.Fatal(err)
	}
	var out bytes.Buffer
	a := newArchive(&out)
	a.console()
	a.put("/etc/passwd", []byte("root"))
	if err := a.add("usr/lib/a/f", file); err != nil {
		t.Fatal(err)
	}
	if err := a.close(); err != nil {
		t.Fatal(err)
	}
	want := []entry{
		{"dev", modeFolder, ""}, {"dev/console", modeDevice, ""},
		{"etc", modeFolder, ""}, {"etc/passwd", modeFile, "root"},
		{"usr", modeFolder, ""}, {"usr/lib", modeFolder, ""}, {"usr/lib/a", modeFolder, ""}, {"usr/lib/a/f", modeFile, "12345"},
	}
	got := readArchive(t, out.Bytes())
	if len(got) != len(want) {
		t.Fatalf("got %+v, want %+v", got, want)
	}
	for i := range want {
		if got[i] != want[i] {
			t.Errorf("entry %d is %+v, want %+v", i, got[i], want[i])
		}
	}
}

func TestArchiveKeepsTheFirstError(t *testing.T) {
	a := newArchive(brokenPipe{})
	a.put("f", []byte("x"))
	if err := a.close(); err != os.ErrClosed {
		t.Errorf("got %v, want %v", err, os.ErrClosed)
	}
	if err := a.add("g", filepath.Join(t.TempDir(), "missing")); err == nil {
		t.Error("a missing file was added")
	}
}

type brokenPipe struct{}

func (brokenPipe) Write([]byte) (int, error) { return 0, os.ErrClosed }
