//go:build linux

package main

import (
	"encoding/hex"
	"encoding/json"
	"fmt"
	"os"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"

	"porttrace/internal/lifetime"
)

// checkDocument is what check --format json writes, for a reader that wants no other field.
type checkDocument struct {
	Time  string
	Level string
	Pools []checkedPool
	Port  *struct {
		Port     int
		Class    string
		Service  *string
		InRange  *bool `json:"in_range"`
		Reserved *bool
		Holds    []checkedHold
	}
}

type checkedPool struct {
	NetNS   uint32
	Proto   string
	Kind    string
	Src     string
	Dst     *string
	DstPort *int `json:"dst_port"`
	InUse   int  `json:"in_use"`
	Usable  int
	Percent float64
	States  map[string]int
	Owners  []struct {
		PID               int
		Comm              string
		Count             int
		Cgroup, Container *string
		placeFields
	}
}

// placeFields are what is known of the machine that the tests run on.
type placeFields struct {
	Unit, Runtime, Pod, QoS string
	UserUnit                string `json:"user_unit"`
	ContainerName           string `json:"container_name"`
	PodNamespace            string `json:"pod_namespace"`
	PodUID                  string `json:"pod_uid"`
}

// runsIn matches the same in text.
const runsIn = `( \((pod|container|unit) [^)]+\))?`

type checkedHold struct {
	ID       *uint64
	NetNS    uint32
	Proto    string
	Port     int
	Src      string
	Dst      *string
	DstPort  *int `json:"dst_port"`
	Path     *string
	Assigned *string
	PID      *int
	TID      *int
	Comm     *string
	UID      *int
	Cgroup   *string

	placeFields
	Exe, Cmdline, User string
	NetNSName          string `json:"netns_name"`

	Container *string
	State     string
}

// checking runs a check that exits with a status.
func checking(t *testing.T, status int, args ...string) *process {
	t.Helper()
	p := prepare(t, append([]string{"check"}, args...)...).start()
	p.wait(status)
	return p
}

func (p *process) document() (d checkDocument) {
	p.t.Helper()
	decoder := json.NewDecoder(strings.NewReader(p.stdout.String()))
	decoder.DisallowUnknownFields()
	if err := decoder.Decode(&d); err != nil || strings.Count(p.stdout.String(), "\n") != 1 {
		p.t.Fatalf("%v in %q", err, &p.stdout)
	}
	return d
}

// connectPool finds the pool of the client's connections.
func (d *checkDocument) connectPool(t *testing.T) checkedPool {
	t.Helper()
	i := slices.IndexFunc(d.Pools, func(p checkedPool) bool {
		return p.Kind == "connect" && p.DstPort != nil && *p.DstPort == serverPort
	})
	if i < 0 {
		t.Fatalf("no such pool in %+v", d.Pools)
	}
	return d.Pools[i]
}

func TestCheckLevels(t *testing.T) {
	c := startClient(t, 40000, 40009)
	c.ns.Sysctl(t, "ipv4/tcp_tw_reuse", "0")
	wantLines(t, checking(t, 0, c.netns()).stdout.String(), "ok: no ephemeral port is in use")
	c.do("open", 6)
	wantLines(t, checking(t, 0, c.netns()).stdout.String(),
		`ok: the only pool is 60\.0% in use, 6 of 10 ports: tcp connect 127\.0\.0\.1 → 127\.0\.0\.1:7777`)
	c.do("wait", 1)
	wantLines(t, checking(t, 1, c.netns()).stdout.String(),
		`warning: 70\.0% in use, 7 of 10 ports: tcp connect 127\.0\.0\.1 → 127\.0\.0\.1:7777`,
		`  1 TIME_WAIT, 6 ESTABLISHED; even \d of 5, odd \d of 5`,
		fmt.Sprintf(`  6 by [^ ]+/%d, 1 in no process`, c.pid))
	c.do("open", 2)
	checking(t, 2, c.netns())
	checking(t, 1, c.netns(), "--crit", "91")
	checking(t, 0, c.netns(), "--warn", "91", "--crit", "100")
	checking(t, 0, c.netns(), "-6")
	checking(t, 0, c.netns(), "--proto", "udp")
	for level, args := range map[string][]string{"critical": nil, "warning": {"--crit", "95"}, "ok": {"--warn", "95", "--crit", "95"}} {
		status := map[string]int{"ok": 0, "warning": 1, "critical": 2}[level]
		d := checking(t, status, append(args, c.netns(), "--format", "json")...).document()
		p := d.connectPool(t)
		if d.Level != level || p.InUse != 9 || p.Usable != 10 || p.Percent != 90 || p.States["TIME_WAIT"] != 1 || p.States["ESTABLISHED"] != 8 {
			t.Errorf("%s: %+v", level, d)
		}
	}
}

// Numbers for the same moment as the tracer's own.
func TestCheckIsWhatTheTracerRecords(t *testing.T) {
	c := newClient(t, 40000, 40023) // of an odd number connect() leaves one out
	c.ns.Sysctl(t, "ipv4/tcp_tw_reuse", "0")
	p := tracing(t, "-q", "-o", "x.jsonl", c.netns())
	c.do("open", 13)
	c.do("wait", 11)
	c.do("fail")
	p.waitLines("x.jsonl", 1, `"type":"pool"`)
	got := checking(t, 2, c.netns(), "--format", "json")
	d := got.document()
	pool := d.connectPool(t)
	p.interrupt()
	for _, r := range whole(t, readFile(t, p.path("x.jsonl"))) {
		if r.Type != lifetime.Pool {
			continue
		}
		if pool.InUse != r.Pool.InUse || pool.Usable != r.Pool.Usable || pool.States["TIME_WAIT"] != r.Pool.TimeWait ||
			pool.NetNS != r.Pool.NetNS || pool.Src != r.Pool.Src.String() || *pool.Dst != r.Pool.Dst.Addr().String() {
			t.Errorf("check says %+v, the tracer %+v", pool, r.Pool)
		}
		return
	}
	t.Error("the tracer recorded no pool")
}

// The everyday question.
func TestCheckPort(t *testing.T) {
	const port = 47123
	c := startClient(t, port, port)
	c.ns.Sysctl(t, "ipv4/ip_local_reserved_ports", "47130")
	c.do("open", 1)
	wantLines(t, checking(t, 2, "--port", "47123", c.netns()).stdout.String(),
		`port 47123: user \(IANA 1024-49151\), no assigned service`,
		`  in this namespace's ip_local_port_range 47123-47123: the kernel may give it to anyone`,
		fmt.Sprintf(`  held now by [^ ]+/%d`+runsIn+` → 127\.0\.0\.1:7777 tcp ESTABLISHED`, c.pid),
		`critical: 100\.0% in use, 1 of 1 ports: .*`, `  1 ESTABLISHED; .*`, `  1 by .*`)
	text := checking(t, 2, "--port", "47123").stdout.String() // in whatever namespace
	if want := fmt.Sprintf(`/%d`+runsIn+` → 127\.0\.0\.1:7777 tcp ESTABLISHED, netns %d\n`, c.pid, c.ns.Inode); !regexp.MustCompile(want).MatchString(text) {
		t.Errorf("it does not say %q:\n%s", want, text)
	}
	d := checking(t, 2, "--port", "47123", "--format", "json", c.netns()).document()
	if d.Port == nil || d.Port.Port != port || d.Port.Class != "user" || d.Port.Service != nil || !*d.Port.InRange || *d.Port.Reserved || len(d.Port.Holds) != 1 {
		t.Fatalf("%+v", d.Port)
	}
	h := d.Port.Holds[0]
	if h.NetNS != c.ns.Inode || h.Port != port || h.State != "ESTABLISHED" || h.PID == nil || *h.PID != c.pid || *h.Dst != "127.0.0.1" ||
		*h.DstPort != serverPort || h.Path != nil || h.Assigned != nil || *h.UID != os.Getuid() {
		t.Errorf("%+v", h)
	}
	c.ns.Sysctl(t, "ipv4/ip_local_port_range", "50000 50009")
	d = checking(t, 0, "-p", "1433", "--format", "json", c.netns()).document()
	if *d.Port.Service != "ms-sql-s" || *d.Port.InRange || *d.Port.Reserved || d.Port.Holds == nil || len(d.Port.Holds) != 0 {
		t.Errorf("%+v", d.Port)
	}
}

func TestCheckHostileNames(t *testing.T) {
	c := startClient(t, 40000, 40009)
	c.do("open", 9)
	for _, name := range []string{"\x1b[31mred\x1b[0m", "caf\xe9 \xff\xfe", "two\nlines", `{"type":"end"}`, "ev\u202etac"} {
		c.do("rename", hex.EncodeToString([]byte(name)))
		p := checking(t, 2, c.netns(), "-p", "40001")
		for _, r := range p.stdout.String() {
			if r != '\n' && !strconv.IsPrint(r) {
				t.Errorf("%q: the table has %q", name, r)
			}
		}
		if n := strings.Count(p.stdout.String(), "\n"); n != 6 {
			t.Errorf("%q: %d lines:\n%s", name, n, &p.stdout)
		}
		text := checking(t, 2, c.netns(), "--format", "json").stdout.String()
		want := map[string]string{"caf\xe9 \xff\xfe": `"caf\udce9 \udcff\udcfe"`, "\x1b[31mred\x1b[0m": `"\u001b[31mred\u001b[0m"`,
			"two\nlines": `"two\nlines"`, `{"type":"end"}`: `"{\"type\":\"end\"}"`, "ev\u202etac": "\"ev\u202etac\""}[name]
		if !strings.Contains(text, `"comm":`+want+`,`) {
			t.Errorf("%q is not %s in %s", name, want, text)
		}
	}
}

func TestCheckUsage(t *testing.T) {
	for args, want := range map[string]string{
		"--warn 90 --crit 70":         "--warn 90 is above --crit 70",
		"--warn 0":                    `--warn: "0": want a whole number from 1 to 100`,
		"--crit 101":                  `--crit: "101": want a whole number from 1 to 100`,
		"--warn x":                    `--warn: "x"`,
		"--port 0":                    `--port: "0": want a port from 1 to 65535`,
		"--port 1-2":                  `--port: "1-2"`,
		"--format xml":                "want table or json",
		"--watch 2":                   "--watch",
		"--netns /run/netns/no-such":  "--netns: /run/netns/no-such",
		"--pid 1":                     "unknown flag: --pid (see porttrace check --help)",
		"now":                         "unknown argument: now (see porttrace check --help)",
		"--netns 4294967295":          "looking at network namespace 4294967295",
		"--netns 4294967295 -p 60568": "looking at network namespace 4294967295",
	} {
		t.Run(args, func(t *testing.T) {
			prepare(t, append([]string{"check"}, strings.Fields(args)...)...).start().wantRefusal(3, want)
		})
	}
}

func TestCheckAsNobody(t *testing.T) {
	c := startClient(t, 40000, 40009)
	p := prepare(t, "check").asNobody()
	p.waitAny(0, 1, 2)
	p.wantNotice("only this network namespace")
	if strings.Contains(p.stdout.String(), "netns") || p.stdout.String() == "" {
		t.Errorf("it says of other namespaces: %q", &p.stdout)
	}
	// its files may not be looked at
	inode := strconv.Itoa(int(c.ns.Inode))
	prepare(t, "check", "--netns", inode).asNobody().wantRefusal(3, "looking at network namespace "+inode)
}

func TestCheckWatch(t *testing.T) {
	c := startClient(t, 40000, 40009)
	p := prepare(t, "check", "--watch", "20ms", c.netns()).start()
	p.until("it looked twice", func() bool { return strings.Count(p.stdout.String(), "every 20ms\nok: no") >= 2 })
	c.do("open", 9)
	p.until("it saw them", func() bool { return strings.Contains(p.stdout.String(), "every 20ms\ncritical: 90.0%") })
	if strings.Contains(p.stdout.String(), "\x1b") {
		t.Errorf("a pipe gets %q", &p.stdout)
	}
	p.interrupt()

	p = prepare(t, "check", "--watch", "20ms", "--format", "json", c.netns()).start()
	p.until("it looked twice", func() bool { return strings.Count(p.stdout.String(), `"level":"critical"`) >= 2 })
	p.signal(syscall.SIGTERM)
	p.wait(0)
}

func TestCheckWatchOnTerminal(t *testing.T) {
	c := startClient(t, 40000, 40009)
	c.do("open", 9)
	p := prepare(t, "check", "--watch", "20ms", c.netns())
	master := p.terminal()
	p.start()
	var shown string
	buf := make([]byte, 4096)
	p.until("it is shown thrice", func() bool {
		n, _ := master.Read(buf)
		shown += string(buf[:n])
		return strings.Count(shown, "\x1b[H") >= 3
	})
	p.interrupt()
	if !strings.Contains(shown, "\x1b[1;31mcritical\x1b[0m: 90.0% in use") || !strings.Contains(shown, "\x1b[K") || !strings.Contains(shown, "\x1b[J") {
		t.Errorf("it shows %q", shown)
	}
}
