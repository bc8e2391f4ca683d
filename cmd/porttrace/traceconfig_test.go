//go:build linux

package main

import (
	"fmt"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"syscall"
	"testing"
	"time"

	"porttrace/internal/flagvalue"
)

// started is when the commands of these tests start, in a zone that is not UTC.
var started = time.Date(2026, 3, 1, 1, 2, 3, 4, time.FixedZone("", 3600))

func parseTrace(t *testing.T, args ...string) traceConfig {
	t.Helper()
	e, _, _ := testEnv(args...)
	flags := newFlagSet("", "")
	var set traceFlags
	set.bind(flags)
	if err := flags.parse(e); err != nil {
		t.Fatal(err)
	}
	config, err := set.config(started)
	if err != nil {
		t.Fatal(err)
	}
	return config
}

func TestDefaultConfig(t *testing.T) {
	want := traceConfig{
		TCP: true, UDP: true, IPv4: true, IPv6: true,
		Output: "porttrace-20260301T000203Z.jsonl",
		Show:   showTable, Hooks: "auto", BufferSize: 16 << 20, MaxHolds: 1 << 18,
	}
	if got := parseTrace(t); !reflect.DeepEqual(got, want) {
		t.Errorf("the config is %+v, want %+v", got, want)
	}
}

func TestFilterConfig(t *testing.T) {
	var ns syscall.Stat_t
	if err := syscall.Stat("/proc/self/ns/net", &ns); err != nil {
		t.Fatal(err)
	}
	for _, tc := range []struct {
		name string
		args []string
		want string // FilterText
		ok   func(c traceConfig) bool
	}{
		{"port", []string{"-p", "60568"}, "--port 60568",
			func(c traceConfig) bool { return c.Ports.Contains(60568) && c.Explicit && c.States }},
		{"ports", []string{"-p", "9,7", "--port=8"}, "--port 7-9",
			func(c traceConfig) bool { return c.Ports.Count() == 3 }},
		{"explicit", []string{"--explicit"}, "--explicit",
			func(c traceConfig) bool { return c.Explicit && c.Ports.Empty() && !c.States }},
		{"tcp", []string{"--proto", "tcp"}, "--proto tcp",
			func(c traceConfig) bool { return c.TCP && !c.UDP }},
		{"both protocols", []string{"--proto", "udp", "--proto", "tcp"}, "--proto tcp,udp",
			func(c traceConfig) bool { return c.TCP && c.UDP }},
		{"IPv4", []string{"-4"}, "-4", func(c traceConfig) bool { return c.IPv4 && !c.IPv6 }},
		{"IPv6", []string{"-6"}, "-6", func(c traceConfig) bool { return c.IPv6 && !c.IPv4 }},
		{"both families", []string{"-46"}, "-4 -6", func(c traceConfig) bool { return c.IPv4 && c.IPv6 }},
		{"processes", []string{"--pid", "7,5"}, "--pid 5,7",
			func(c traceConfig) bool { return reflect.DeepEqual(c.Holds.PIDs, []uint32{5, 7}) }},
		{"names", []string{"--comm", "it's", "--comm", "curl"}, `--comm curl --comm 'it'\''s'`,
			func(c traceConfig) bool { return reflect.DeepEqual(c.Holds.Comms, []string{"curl", "it's"}) }},
		{"user", []string{"--uid", "root"}, "--uid 0",
			func(c traceConfig) bool { return reflect.DeepEqual(c.Holds.UIDs, []uint32{0}) }},
		{"cgroups", []string{"--cgroup", "/sys/fs/cgroup/a.slice/,/b c"}, "--cgroup '/a.slice,/b c'",
			func(c traceConfig) bool { return reflect.DeepEqual(c.Holds.Cgroups, []string{"/a.slice", "/b c"}) }},
		{"containers", []string{"--container", "web,0123"}, "--container 0123,web",
			func(c traceConfig) bool { return reflect.DeepEqual(c.Holds.Containers, []string{"0123", "web"}) }},
		{"units", []string{"--unit", "nginx", "--unit", "a.scope"}, "--unit a.scope,nginx.service",
			func(c traceConfig) bool {
				return reflect.DeepEqual(c.Holds.Units, []string{"a.scope", "nginx.service"})
			}},
		{"pods", []string{"--pod", "prod/web,db"}, "--pod db,prod/web",
			func(c traceConfig) bool {
				return reflect.DeepEqual(c.Holds.Pods, []flagvalue.Pod{{Name: "db"}, {Namespace: "prod", Name: "web"}})
			}},
		{"namespace", []string{"--netns", fmt.Sprint(os.Getpid())}, fmt.Sprintf("--netns %d", ns.Ino),
			func(c traceConfig) bool { return uint64(c.NetNS) == ns.Ino }},
		{"destination", []string{"--dst", "[2001:db8::/32]:443,10.1.1.1/8"}, "--dst '10.0.0.0/8,[2001:db8::/32]:443'",
			func(c traceConfig) bool { return len(c.Holds.Dst) == 2 && c.Holds.Dst[1].Port == 443 }},
		{"source", []string{"--src", "::ffff:10.0.0.1"}, "--src 10.0.0.1",
			func(c traceConfig) bool { return len(c.Holds.Src) == 1 && c.Holds.Src[0].Addr().Is4() }},
		{"one address of the family", []string{"-4", "--dst", "::1,10.0.0.1"}, "-4 --dst 10.0.0.1,::1",
			func(c traceConfig) bool { return len(c.Holds.Dst) == 2 }},
		{"several, in the order of the help", []string{"--pid", "1", "-4", "-p", "1"}, "--port 1 -4 --pid 1",
			func(c traceConfig) bool { return true }},
		{"others are no filters", []string{"--states", "-q", "--hooks", "stable", "--duration", "1s"}, "",
			func(c traceConfig) bool { return c.States && c.Hooks == "stable" && c.Duration == time.Second }},
		{"buffer", []string{"--buffer-size", "3M"}, "", func(c traceConfig) bool { return c.BufferSize == 4<<20 }},
	} {
		t.Run(tc.name, func(t *testing.T) {
			config := parseTrace(t, tc.args...)
			if config.FilterText != tc.want {
				t.Errorf("FilterText is %q, want %q", config.FilterText, tc.want)
			}
			if !tc.ok(config) {
				config.Ports = traceConfig{}.Ports // too long to print
				t.Errorf("the config is %+v", config)
			}
		})
	}
}

func TestOutputConfig(t *testing.T) {
	const byTime = "porttrace-20260301T000203Z.jsonl"
	for _, tc := range []struct {
		args   string
		output string
		show   display
	}{
		{"", byTime, showTable},
		{"-q", byTime, showNothing},
		{"--format table", byTime, showTable},
		{"--format json", byTime, showJSON},
		{"--format json -q", byTime, showJSON},
		{"-o x.jsonl", "x.jsonl", showTable},
		{"-o x.zst --format json", "x.zst", showJSON},
		{"-o -", "-", showNothing},
		{"-o - --format json", "-", showNothing},
		{"-o - --format table", "-", showNothing},
		{"-o - -q", "-", showNothing},
		{"-o none", "", showTable},
		{"-o ./none", "./none", showTable},
		{"-o none --format json", "", showJSON},
		{"-o none -q", "", showNothing},
	} {
		t.Run(tc.args, func(t *testing.T) {
			config := parseTrace(t, strings.Fields(tc.args)...)
			if config.Output != tc.output || config.Show != tc.show {
				t.Errorf("recording to %q, showing %d; want %q, %d", config.Output, config.Show, tc.output, tc.show)
			}
		})
	}
}

// The service's command line is one.
func TestServiceCommandLine(t *testing.T) {
	unit, err := os.ReadFile("../../internal/dist/porttrace.service")
	if err != nil {
		t.Fatal(err)
	}
	_, rest, _ := strings.Cut(string(unit), "\nExecStart=")
	line, _, _ := strings.Cut(rest, "\n")
	words := strings.Fields(line)
	if len(words) < 2 || filepath.Base(words[0]) != "porttrace" {
		t.Fatalf("ExecStart is %q", line)
	}
	if c := parseTrace(t, words[1:]...); c.Show != showNothing || c.RotateSize == 0 || c.RotateKeep == 0 {
		t.Errorf("%q: %+v", line, c)
	}
}
