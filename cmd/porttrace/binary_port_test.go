//go:build linux

package main

import (
	"fmt"
	"regexp"
	"strings"
	"testing"

	"porttrace/internal/event"
	"porttrace/internal/lifetime"
)

// wantLines checks text against a line of regular expression each.
func wantLines(t *testing.T, text string, want ...string) {
	t.Helper()
	lines := strings.Split(strings.TrimSuffix(text, "\n"), "\n")
	if len(lines) != len(want) {
		t.Fatalf("%d lines, want %d:\n%s", len(lines), len(want), text)
	}
	for i, line := range lines {
		if ok, err := regexp.MatchString("^"+want[i]+"$", line); err != nil || !ok {
			t.Errorf("line %d is %q, want %s (%v)", i+1, line, want[i], err)
		}
	}
}

const header = "TIME +EVENT +PRO PORT +OWNER +SRC +DST +WHAT"

// row is a line of the table about a connection of the client's.
func (c *clientProcess) row(kind string, port uint16, what string) string {
	return fmt.Sprintf(`\d\d:\d\d:\d\d\.\d{3} %-7s tcp %-5d [^ ]+/%d +127\.0\.0\.1 +127\.0\.0\.1:7777 +%s`, kind, port, c.pid, what)
}

// The main job: what happens to one port, on the screen and in the recording.
func TestPort(t *testing.T) {
	const port = 60568
	c := newClient(t, port, port)
	p := tracing(t, "--port", "60568", "-o", "port.jsonl", c.netns())
	c.do("open", 1)
	c.do("close")
	p.waitLines("port.jsonl", 1, `"type":"release"`)
	p.interrupt()

	wantLines(t, p.stdout.String(),
		`port 60568: dynamic \(IANA 49152-65535\), no assigned service`,
		`  in this namespace's ip_local_port_range 60568-60568: the kernel may give it to anyone`,
		`  held by nobody now`,
		header,
		c.row("assign", port, "connect( after .*)?"),
		c.row("state", port, "ESTABLISHED after .*"),
		c.row("state", port, "CLOSE_WAIT after .*"),
		c.row("state", port, "LAST_ACK after .*"),
		c.row("release", port, ".*"))
	kernels := regexp.MustCompile("(?m)^porttrace: (this kernel does not show |this kernel has no Landlock |lost |  ).*\n")
	notices := kernels.ReplaceAllString(p.stderr.String(), "")
	data := readFile(t, p.path("port.jsonl"))
	wantJSONLines(t, data)
	records := whole(t, data)
	wantLines(t, notices,
		"porttrace: hooks: .*",
		"porttrace: recording to port.jsonl",
		"porttrace: tracing",
		"porttrace: 0 held before, 1 assigned, 1 released, 0 still held, 0 failures"+lostOf(records)+".*")
	c.wantLifetimes(records, []uint16{port})
	release := c.own(records, lifetime.Release)[0]
	if release.Reason != event.Closed || release.Hold.Path != event.Connect {
		t.Errorf("%v by %v, want closed by connect", release.Reason, release.Hold.Path)
	}
	if got := release.Time.Sub(release.Hold.Assigned); got != release.Hold.HeldFor() || got <= 0 {
		t.Errorf("held for %v, and the states add up to %v", got, release.Hold.HeldFor())
	}
}

// Without --netns the answer is about the tracer's own namespace, and every other one
// where the port is in use.
func TestPortHeldElsewhere(t *testing.T) {
	const port = 47123
	c := newClient(t, port, port)
	c.do("open", 1)
	c.ns.Sysctl(t, "ipv4/ip_local_reserved_ports", "47120-47129")
	p := tracing(t, "--port", "47123", "-o", "none")
	p.interrupt()
	text := p.stdout.String()
	for _, want := range []string{
		`(?m)^port 47123: user \(IANA 1024-49151\), no assigned service$`,
		fmt.Sprintf(`(?m)^  in netns %d's ip_local_port_range 47123-47123, reserved \(ip_local_reserved_ports\): the kernel will not choose it$`, c.ns.Inode),
		fmt.Sprintf(`(?m)^  held now by [^ ]+/%d`+runsIn+` → 127\.0\.0\.1:7777 tcp ESTABLISHED since before the start, netns %d$`, c.pid, c.ns.Inode),
		"(?m)^" + c.row("held", port, "ESTABLISHED, before start") + "$",
	} {
		if !regexp.MustCompile(want).MatchString(text) {
			t.Errorf("standard output has no line %s:\n%s", want, text)
		}
	}
	if files := p.files(); len(files) > 0 {
		t.Errorf("-o none made %q", files)
	}
}

func TestPortAnswers(t *testing.T) {
	c := newClient(t, 1024, 2000)
	c.ns.Sysctl(t, "ipv4/ip_local_reserved_ports", "1433")
	for port, want := range map[string][]string{
		"443": {`port 443: system \(IANA 0-1023\), assigned to https.*`,
			`  outside this namespace's ip_local_port_range 1024-2000: the kernel will not choose it`, `  held by nobody now`},
		"1433": {`port 1433: user \(IANA 1024-49151\), assigned to ms-sql-s.*`,
			`  in this namespace's ip_local_port_range 1024-2000, reserved .*: the kernel will not choose it`, `  held by nobody now`},
		"7777": {`port 7777: user .*`, `  outside .*`,
			fmt.Sprintf(`  held now by [^ ]+/%d`+runsIn+` on 127\.0\.0\.1 tcp LISTEN since before the start`, c.pid),
			header, `.* held +tcp 7777 .*LISTEN, before start`},
	} {
		t.Run(port, func(t *testing.T) {
			p := tracing(t, "-p", port, "-o", "none", c.netns())
			p.interrupt()
			wantLines(t, p.stdout.String(), want...)
		})
	}
}

func TestNoTraffic(t *testing.T) {
	c := newClient(t, 40000, 40001)
	p := tracing(t, c.netns(), "-o", "x.jsonl")
	p.interrupt()
	if out := p.stdout.String(); out != "" {
		t.Errorf("standard output has %q", out)
	}
	data := readFile(t, p.path("x.jsonl"))
	wantJSONLines(t, data)
	if records := whole(t, data); len(records) != 2 {
		t.Errorf("%d records, want a start and an end:\n%s", len(records), data)
	}
}
