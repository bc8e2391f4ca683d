//go:build linux

package main

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"
	"syscall"
	"testing"
	"time"
	"unicode/utf8"

	"porttrace/internal/check"
)

// testEnv returns an env that reaches nothing outside, and what is written to it.
func testEnv(args ...string) (e *env, stdout, stderr *bytes.Buffer) {
	stdout, stderr = new(bytes.Buffer), new(bytes.Buffer)
	return &env{
		args:     args,
		stdin:    strings.NewReader(""),
		stdout:   stdout,
		stderr:   stderr,
		getenv:   func(string) string { return "" },
		now:      time.Now,
		euid:     func() int { return 1000 },
		terminal: func() (int, bool) { return 0, false },
		watched:  func() bool { return false },
		notify:   func(chan<- os.Signal) func() { return func() {} },
		hungUp:   func() bool { return true },
	}, stdout, stderr
}

func TestHelp(t *testing.T) {
	for _, c := range commands() {
		for _, flag := range []string{"-h", "--help"} {
			args := append(strings.Fields(c.name), flag)
			t.Run(strings.Join(args, " "), func(t *testing.T) {
				e, stdout, stderr := testEnv(args...)
				if status := run(e); status != 0 {
					t.Errorf("exit status %d: %s", status, stderr)
				}
				if stderr.Len() > 0 {
					t.Errorf("standard error has %q", stderr)
				}
				help := stdout.String()
				for _, want := range []string{"Usage:\n", "Examples:\n", "--help", strings.TrimSpace("porttrace " + c.name)} {
					if !strings.Contains(help, want) {
						t.Errorf("the help lacks %q", want)
					}
				}
				checkText(t, help)
			})
		}
	}
}

func checkText(t *testing.T, text string) {
	t.Helper()
	if !strings.HasSuffix(text, "\n") || strings.HasSuffix(text, "\n\n") {
		t.Error("the text does not end with one newline")
	}
	for line := range strings.Lines(text) {
		line = strings.TrimSuffix(line, "\n")
		if n := utf8.RuneCountInString(line); n > 80 {
			t.Errorf("%d columns: %s", n, line)
		}
		if strings.TrimRight(line, " \t") != line || strings.Contains(line, "\t") {
			t.Errorf("white space: %q", line)
		}
	}
}

func TestRootHelpListsCommands(t *testing.T) {
	e, stdout, _ := testEnv("--help")
	run(e)
	for _, c := range commands() {
		if c.help == "" || strings.HasSuffix(c.help, ".") {
			t.Errorf("%q: one line without a full stop: %q", c.name, c.help)
		}
		if listed := strings.Contains(stdout.String(), c.help); listed == c.aside {
			t.Errorf("the help of porttrace lists %q: %v", c.name, listed)
		}
	}
}

func TestBadCommandLines(t *testing.T) {
	for _, tc := range []struct {
		args string // split at spaces; _ stands for an empty argument
		want string // in the message
	}{
		{"--foo", "unknown flag: --foo (see porttrace --help)"},
		{"--foo=1", "unknown flag: --foo (see"},
		{"-x", "unknown flag: -x (see"},
		{"-qx", "unknown flag: -x (see"},
		{"-test.v", "unknown flag: -test.v"},
		{"---port", "---port"},
		{"--port", "--port needs a value: --port LIST"},
		{"-p", "-p needs a value: -p LIST"},
		{"--port 0", `--port: "0": want a port from 1 to 65535`},
		{"-p 70000", `--port: "70000"`},
		{"--port _", "--port: empty"},
		{"--port=", "--port: empty"},
		{"--rotate-keep 3", "--rotate-keep: nothing rotates without --rotate-size"},
		{"--rotate-size 1M -o none", "--rotate-size: there is no file to rotate"},
		{"--rotate-size 1M -o -", "--rotate-size: there is no file to rotate"},
		{"--rotate-size 1 -o x", "--rotate-size: \"1\": want a size from 4KiB to 1TiB"},
		{"--max-holds 0", "--max-holds: \"0\": want a whole number from 1 to 16777216"},
		{"-p 5-1", "--port: \"5-1\": the range is reversed: write 1-5"},
		{"-p 1 -p x", "--port: \"x\""},
		{"--proto sctp", "--proto: protocol \"sctp\": want tcp or udp"},
		{"--pid 0", "--pid: \"0\""},
		{"--uid no-such-user-here", "--uid: \"no-such-user-here\""},
		{"--comm 1234567890123456", "--comm: \"1234567890123456\" is 16 bytes"},
		{"--netns no-such-netns", "--netns: /run/netns/no-such-netns"},
		{"--dst nowhere", "--dst: \"nowhere\""},
		{"--src 10.0.0.0/8:80", "--src: \"10.0.0.0/8:80\""},
		{"-4 --dst ::1", "--dst: no address of the family that -4 wants"},
		{"-6 --src 10.0.0.1,10.0.0.2", "--src: no address of the family that -6 wants"},
		{"--output _", "--output: empty"},
		{"--format csv", `--format: "csv": want table or json`},
		{"--duration 0", "--duration: \"0\""},
		{"--duration=-5s", "--duration: \"-5s\""},
		{"--duration 30", "--duration: \"30\""},
		{"--hooks kprobe", `--hooks: "kprobe": want auto or fentry or stable`},
		{"--buffer-size 1", "--buffer-size: \"1\""},
		{"--quiet=perhaps", "--quiet takes no value"},
		{"-4=x", "-4 takes no value"},
		{"frobnicate", "unknown command: frobnicate (see porttrace --help)"},
		{"trace", "unknown command: trace"},
		{"_", `unknown command: ""`},
		{"60568", "porttrace --port 60568"},
		{"-q 60568", "unknown argument: 60568"},
		{"-q -- --port", "unknown argument: --port"},
		{"-q doctor", "the command comes first: porttrace doctor"},
		{"doctor --port 1", "unknown flag: --port (see porttrace doctor --help)"},
		{"doctor now", "unknown argument: now (see porttrace doctor --help)"},
		{"doctor --version", "unknown flag: --version"},
		{"-q report", "the command comes first: porttrace report"},
		{"report", "which recording? porttrace report FILE..."},
		{"report --foo x", "unknown flag: --foo (see porttrace report --help)"},
		{"report --explicit x", "unknown flag: --explicit"},
		{"report --since later x", "--since: \"later\": want a time such as"},
		{"report --until -1 x", "--until: \"-1\": want so long before"},
		{"report --top 0 x", "--top: \"0\": want a whole number from 1 to 4096"},
		{"report --format table x", "--format: \"table\": want text or json or html"},
		{"report -4 --dst ::1 x", "--dst: no address of the family that -4 wants"},
		{"report --port 0 x", "--port: \"0\""},
		{"--new\nline", `unknown flag: --new; line`},
		{"--\x1b[31m", `unknown flag: --\x1b[31m`},
	} {
		t.Run(tc.args, func(t *testing.T) {
			args := strings.Split(tc.args, " ")
			for i, arg := range args {
				if arg == "_" {
					args[i] = ""
				}
			}
			e, stdout, stderr := testEnv(args...)
			if status := run(e); status != 2 {
				t.Errorf("exit status %d, want 2", status)
			}
			if stdout.Len() > 0 {
				t.Errorf("standard output has %q", stdout)
			}
			line := stderr.String()
			if !strings.HasPrefix(line, "porttrace: ") || strings.Count(line, "\n") != 1 || !strings.HasSuffix(line, "\n") {
				t.Errorf("standard error is not one line of porttrace's: %q", line)
			}
			if !strings.Contains(line, tc.want) {
				t.Errorf("the message %q does not say %q", line, tc.want)
			}
		})
	}
}

func TestExitStatus(t *testing.T) {
	for _, tc := range []struct {
		err     error
		status  int
		message string
	}{
		{nil, 0, ""},
		{errAnswered, 0, ""},
		{errors.New("attaching hooks: no"), 1, "attaching hooks: no"},
		{errors.Join(errors.New("a"), errors.New("b")), 1, "a; b"},
		{usageError{errors.New("bad")}, 2, "bad"},
		{fmt.Errorf("reading flags: %w", usageError{errors.New("bad")}), 2, "reading flags: bad"},
		{checked{check.OK, nil}, 0, ""},
		{checked{check.Warning, nil}, 1, ""},
		{checked{check.Critical, nil}, 2, ""},
		{checked{check.Unknown, nil}, 3, ""},
		{checked{check.Unknown, errors.New("listing sockets: no")}, 3, "listing sockets: no"},
		{checked{check.Unknown, usageError{errors.New("bad")}}, 3, "bad"},
		{checked{check.OK, errAnswered}, 0, ""},
		{secondSignal{syscall.SIGINT}, 130, "stopped at once by a second signal: the recording has no end"},
		{secondSignal{syscall.SIGTERM}, 143, "stopped at once by a second signal: the recording has no end"},
	} {
		if got := exitStatus(tc.err); got != tc.status {
			t.Errorf("%v: exit status %d, want %d", tc.err, got, tc.status)
		}
		if got := message(tc.err); got != tc.message {
			t.Errorf("%v: message %q, want %q", tc.err, got, tc.message)
		}
	}
}

type fullDisk struct{ io.Writer }

func (fullDisk) Write([]byte) (int, error) { return 0, syscall.ENOSPC }

func TestUnwritableHelp(t *testing.T) {
	e, _, stderr := testEnv("--help")
	e.stdout = fullDisk{}
	if status := run(e); status != 1 || !strings.Contains(stderr.String(), "writing to standard output: no space") {
		t.Errorf("exit status %d: %s", status, stderr)
	}
}
