//go:build linux

package main

import (
	"bytes"
	"os"
	"regexp"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"porttrace/internal/testutil"
)

func TestDefaultRecording(t *testing.T) {
	c := newClient(t, 40000, 40100)
	before := time.Now().UTC().Truncate(time.Second)
	p := tracing(t, "-q", c.netns())
	p.wantNotice("recording to porttrace-")
	opened := c.do("open", 7)
	c.do("close")
	p.interrupt()
	if out := p.stdout.String(); out != "" {
		t.Errorf("with -q standard output has %q", out)
	}
	names := p.files()
	if len(names) != 1 || !regexp.MustCompile(`^porttrace-\d{8}T\d{6}Z\.jsonl$`).MatchString(names[0]) {
		t.Fatalf("it made %q", names)
	}
	at, err := time.Parse("porttrace-20060102T150405Z.jsonl", names[0])
	if err != nil || at.Before(before) || at.After(time.Now()) {
		t.Errorf("the name says %v (%v), and it began after %v", at, err, before)
	}
	p.wantNotice("recording to " + names[0])
	info, err := os.Lstat(p.path(names[0]))
	if err != nil || info.Mode() != 0o640 {
		t.Errorf("the recording has mode %v (%v), want 0640", info.Mode(), err)
	}
	c.wantLifetimes(whole(t, readFile(t, p.path(names[0]))), opened)
}

// What standard output and the recording tell is one and the same.
func TestOutputs(t *testing.T) {
	c := newClient(t, 40000, 40100)
	for _, tc := range []struct {
		name    string
		args    []string
		file    string // "" none
		shows   bool   // JSON lines
		asTable bool
	}{
		{"json and recording", []string{"--format", "json", "-o", "x.jsonl"}, "x.jsonl", true, false},
		{"json and compressed", []string{"--format", "json", "-o", "x.jsonl.zst"}, "x.jsonl.zst", true, false},
		{"json and no recording", []string{"--format", "json", "-o", "none"}, "", true, false},
		{"recording to standard output", []string{"-o", "-"}, "", true, false},
		{"table and no recording", []string{"-o", "none"}, "", false, true},
		{"nothing", []string{"-o", "none", "-q"}, "", false, false},
		{"compressed, no table", []string{"-q", "-o", "x.zst"}, "x.zst", false, false},
	} {
		t.Run(tc.name, func(t *testing.T) {
			p := tracing(t, append(tc.args, c.netns())...)
			opened := c.do("open", 3)
			c.do("close")
			p.interrupt()
			out := []byte(p.stdout.String())
			switch {
			case tc.shows:
				wantJSONLines(t, out)
				c.wantLifetimes(whole(t, out), opened)
			case tc.asTable:
				if !regexp.MustCompile("^"+header+"\n").Match(out) || bytes.Count(out, []byte("\n")) != 1+2*len(opened) {
					t.Errorf("the table is\n%s", out)
				}
			case len(out) > 0:
				t.Errorf("standard output has %q", out)
			}
			if got := strings.Join(p.files(), " "); got != tc.file {
				t.Fatalf("it made %q, want %q", got, tc.file)
			}
			if tc.file == "" {
				return
			}
			records := whole(t, readFile(t, p.path(tc.file)))
			c.wantLifetimes(records, opened)
			if shown, _ := readRecords(t, out); tc.shows && len(shown) != len(records) {
				t.Errorf("%d records shown, %d recorded", len(shown), len(records))
			}
			if data := readFile(t, p.path(tc.file)); tc.file == "x.jsonl" && !bytes.Equal(out, data) {
				t.Errorf("standard output and the recording differ:\n%s\nrecording:\n%s", out, data)
			}
		})
	}
}

// The duration counts from when it traces, however long that took to set up.
func TestDuration(t *testing.T) {
	c := newClient(t, 40000, 40001)
	p := prepare(t, "--duration", "1ms", "-o", "x.jsonl", c.netns()).start()
	p.wait(0)
	p.wantNotice("tracing")
	whole(t, readFile(t, p.path("x.jsonl")))

	p = tracing(t, "--duration", "1h", "-o", "x.jsonl", c.netns())
	p.interrupt()
}

func TestUnwritableRecording(t *testing.T) {
	testutil.NeedBPF(t)
	for name, tc := range map[string]struct{ path, want string }{
		"existing":         {"there", "file exists: a recording overwrites nothing: choose another name with -o"},
		"link":             {"link", "file exists"},
		"dangling link":    {"dangling", "file exists"},
		"folder":           {".", "file exists"},
		"device":           {"/dev/full", "file exists"},
		"missing folder":   {"no/x.jsonl", `no such file or directory: there is no folder "no": make it`},
		"file as folder":   {"there/x.jsonl", `not a directory: "there" is no folder`},
		"read-only":        {"ro/x.jsonl", `read-only file system: the folder "ro" is not writable: choose another with -o`},
		"no file system":   {"/proc/x.jsonl", "choose another"},
		"name too long":    {strings.Repeat("x", 256), "file name too long"},
		"control sequence": {"no\x1b[2J/x", `no\x1b[2J`},
	} {
		t.Run(name, func(t *testing.T) {
			p := prepare(t, "-o", tc.path)
			link := func(target, name string) {
				if err := os.Symlink(target, p.path(name)); err != nil {
					t.Fatal(err)
				}
			}
			if err := os.WriteFile(p.path("there"), []byte("precious"), 0o600); err != nil {
				t.Fatal(err)
			}
			link("there", "link")
			link("nothing", "dangling")
			mountTmpfs(t, p.path("ro"), unix.MS_RDONLY, "")
			before := strings.Join(p.files(), " ")
			p.start().wait(1)
			p.wantNotice(tc.want)
			if strings.Count(p.stderr.String(), "\n") != 1 || p.stdout.String() != "" {
				t.Errorf("standard error:\n%sstandard output:\n%s", &p.stderr, &p.stdout)
			}
			if after := strings.Join(p.files(), " "); after != before || string(readFile(t, p.path("there"))) != "precious" {
				t.Errorf("there was %q, there is %q", before, after)
			}
		})
	}
}

func mountTmpfs(t *testing.T, path string, flags uintptr, data string) {
	t.Helper()
	if err := os.Mkdir(path, 0o755); err != nil {
		t.Fatal(err)
	}
	err := unix.Mount("porttrace-test", path, "tmpfs", flags, data)
	testutil.Need(t, err == nil, "the right to mount a tmpfs")
	t.Cleanup(func() {
		if err := unix.Unmount(path, 0); err != nil {
			t.Errorf("unmounting %s: %v", path, err)
		}
	})
}

// A device without room for standard output: one message, and exit status 1.
func TestStandardOutputFull(t *testing.T) {
	c := newClient(t, 40000, 40100)
	for want, args := range map[string][]string{
		"writing recording: write /dev/stdout: no space left on device":              {"-o", "-"},
		"writing the table: write /dev/stdout: no space left on device":              {"-o", "none"},
		"writing the answer about ports: write /dev/stdout: no space left on device": {"-o", "none", "--port", "40000"},
	} {
		t.Run(strings.Join(args, " "), func(t *testing.T) {
			p := prepare(t, append(args, c.netns())...)
			full, err := os.OpenFile("/dev/full", os.O_WRONLY, 0)
			if err != nil {
				t.Fatal(err)
			}
			defer full.Close()
			p.cmd.Stdout = full
			p.start()
			p.untilExit(func() { c.do("storm", 1) })
			p.wait(1)
			p.wantNotice(want)
			if n := strings.Count(p.stderr.String(), "no space left"); n != 1 {
				t.Errorf("it is said %d times:\n%s", n, &p.stderr)
			}
		})
	}
}
