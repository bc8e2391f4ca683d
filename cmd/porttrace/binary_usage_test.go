//go:build linux

package main

import (
	"strings"
	"testing"

	"porttrace/internal/testutil"
)

// TestBadCommandLines knows more of them; here nothing comes between them and the
// program, root's rights included.
func TestBadCommandLinesOfBinary(t *testing.T) {
	for _, tc := range []struct {
		args []string
		want string
	}{
		{[]string{"--port", "0"}, `--port: "0": want a port from 1 to 65535`},
		{[]string{"--port", "65536"}, `--port: "65536"`},
		{[]string{"--port", "5-1"}, "the range is reversed: write 1-5"},
		{[]string{"--port", "abc"}, `--port: "abc"`},
		{[]string{"--port", ""}, "--port: empty"},
		{[]string{"--port", "-1"}, "--port"},
		{[]string{"--port"}, "--port needs a value"},
		{[]string{"--src", "10.0.0.0/33"}, "--src"},
		{[]string{"--dst", "10.0.0.0/8:0"}, "--dst"},
		{[]string{"--dst", "example.org:443"}, "--dst"},
		{[]string{"--proto", "icmp"}, "want tcp or udp"},
		{[]string{"--duration", "-1s"}, "--duration"},
		{[]string{"--duration", "0s"}, "--duration"},
		{[]string{"--netns", "/run/netns/no-such"}, "--netns: /run/netns/no-such"},
		{[]string{"--netns", "/dev/null"}, "--netns: /dev/null"},
		{[]string{"--netns", "4026531832"}, "--netns"},
		{[]string{"--pid", "0"}, "--pid"},
		{[]string{"--pid", "x"}, "--pid"},
		{[]string{"--uid", "no-such-user-here"}, "--uid"},
		{[]string{"--cgroup", "system.slice"}, `--cgroup: "system.slice": want a path`},
		{[]string{"--cgroup", ""}, "--cgroup: empty"},
		{[]string{"--container", "my web"}, `--container: "my web": want a container's name`},
		{[]string{"--unit", "system.slice"}, "--unit: \"system.slice\": a slice has no processes"},
		{[]string{"--unit", "a/b"}, "--unit"},
		{[]string{"--pod", "a/b/c"}, "--pod: \"a/b/c\": want NAMESPACE/NAME"},
		{[]string{"report", "--pod", "prod/", "x"}, "--pod: \"prod/\""},
		{[]string{"--columns", "port,size"}, `--columns: "size": there is no such column: want time, event,`},
		{[]string{"--columns", "port,+unit"}, "--columns: \"+unit\": want a + before each name"},
		{[]string{"--columns", "port", "-q"}, "--columns: there is no table"},
		{[]string{"--columns", "+unit", "--format", "json"}, "--columns: there is no table"},
		{[]string{"--columns", "+unit", "-o", "-"}, "--columns: there is no table"},
		{[]string{"--buffer-size", "1"}, "--buffer-size"},
		{[]string{"--buffer-size", "2G"}, "--buffer-size"},
		{[]string{"--hooks", "foo"}, "want auto or fentry or stable"},
		{[]string{"--format", "xml"}, "want table or json"},
		{[]string{"-o", ""}, "--output: empty"},
		{[]string{"--no-such-flag"}, "unknown flag: --no-such-flag"},
		{[]string{"no-such-command"}, "unknown command: no-such-command"},
		{[]string{"60568"}, "porttrace --port 60568"},
		{[]string{"--port", "60568", "extra"}, "unknown argument: extra"},
		{[]string{"report"}, "which recording?"},
		{[]string{"report", "--port", "5-1", "x"}, "the range is reversed"},
		{[]string{"report", "--since", "", "x"}, "--since"},
		{[]string{"doctor", "extra"}, "unknown argument: extra"},
		{[]string{"doctor", "--port", "1"}, "unknown flag: --port"},
		{[]string{"\x1b[2J"}, `\x1b[2J`},
		{[]string{"--port", "\xff\n"}, "--port"},
	} {
		t.Run(strings.Join(tc.args, " "), func(t *testing.T) {
			prepare(t, tc.args...).start().wantRefusal(2, tc.want)
		})
	}
}

func TestUnseenNetns(t *testing.T) {
	testutil.NeedBPF(t)
	p := prepare(t, "--netns", "4294967295", "-o", "none", "--duration", "1ms").start()
	p.wait(0)
	p.wantNotice("no process or name leads to network namespace 4294967295")
}

func TestHelpOfBinary(t *testing.T) {
	for _, args := range []string{"--help", "-h", "doctor --help", "report --help", "--version"} {
		p := prepare(t, strings.Fields(args)...).start()
		p.wait(0)
		if p.stdout.String() == "" || p.stderr.String() != "" || len(p.files()) > 0 {
			t.Errorf("%s: standard output %q, standard error %q, files %q", args, &p.stdout, &p.stderr, p.files())
		}
	}
}
