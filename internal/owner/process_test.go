package owner

import (
	"os"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"porttrace/internal/lifetime"
)

func TestOfProcess(t *testing.T) {
	comm, err := os.ReadFile("/proc/self/comm")
	if err != nil {
		t.Fatal(err)
	}
	var r Resolver
	got := r.OfProcess(uint32(os.Getpid()))
	if got.PID != uint32(os.Getpid()) || got.Comm != strings.TrimSuffix(string(comm), "\n") || got.Program.Value().Exe == "" || got.UID != uint32(os.Getuid()) {
		t.Errorf("of this process: %v", got)
	}
	if got := r.OfProcess(1 << 30); got != (lifetime.Owner{PID: 1 << 30}) {
		t.Errorf("of none: %v", got)
	}
}

func TestRealUID(t *testing.T) {
	for status, want := range map[string]uint32{
		"Name:\tnc\nUid:\t1000\t0\t0\t0\nGid:\t5\t5\t5\t5\n": 1000, "Uid:\t0\t0\t0\t0\n": 0,
		"": overflowUID, "Uid:\n": overflowUID, "Uid:\t-1\n": overflowUID,
	} {
		if got := realUID(status); got != want {
			t.Errorf("%q: got %d, want %d", status, got, want)
		}
	}
}

func TestJoinArguments(t *testing.T) {
	long := strings.Repeat("é", longestCmdline)
	for in, want := range map[string]string{
		"":                                    "",
		"nginx: worker process\x00\x00\x00":   "nginx: worker process",
		"java\x00-jar\x00a b.jar\x00":         "java -jar a b.jar",
		"sh\x00-c\x00\x00x\x00":               "sh -c  x",
		"\x00":                                "",
		"\xff\x1b\x00":                        "\xff\x1b",
		strings.Repeat("x", longestCmdline+1): strings.Repeat("x", longestCmdline) + "…",
		strings.Repeat("x", longestCmdline):   strings.Repeat("x", longestCmdline),
		"x" + long:                            "x" + long[:longestCmdline-2] + "…",
	} {
		got := joinArguments([]byte(in))
		if got != want {
			t.Errorf("%q: got %q, want %q", in, got, want)
		}
		if utf8.ValidString(in) && !utf8.ValidString(got) {
			t.Errorf("%q became %q", in, got)
		}
	}
}

func TestParseStat(t *testing.T) {
	rest := " S 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16 17 18 4711 20 21\n"
	for text, want := range map[string]string{
		"7 (nc)" + rest:                 "nc",
		"7 (a) R 1 (b)" + rest:          "a) R 1 (b",
		"7 ()" + rest:                   "",
		"7 (\xff\n)" + rest:             "\xff\n",
		"7 (nc) S 1 2":                  "error",
		"7 nc" + rest:                   "error",
		"":                              "error",
		")(":                            "error",
		"7 (nc)" + rest[:len(" S 1 2")]: "error",
	} {
		comm, started, err := parseStat([]byte(text))
		if err != nil {
			comm = "error"
		}
		if comm != want || err == nil && started != 4711 {
			t.Errorf("%q: got %q, %d, %v", text, comm, started, err)
		}
	}
}

func FuzzParseStat(f *testing.F) {
	f.Add([]byte("7 (nc) S 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16 17 18 4711 20 21\n"))
	f.Add([]byte(")("))
	f.Fuzz(func(t *testing.T, text []byte) { parseStat(text) })
}

// Lines as hosts with either version of cgroups, or both, have them.
func TestBestCgroup(t *testing.T) {
	for text, want := range map[string]string{
		"0::/system.slice/nginx.service\n":                                 "/system.slice/nginx.service",
		"0::/docker/x (deleted)\n":                                         "/docker/x",
		"4:cpu:/a\n0::/docker/" + id + " (deleted)\n":                      "/docker/" + id,
		"0::/with:colons\n":                                                "/with:colons",
		"1:name=systemd:/user.slice\n0::/\n":                               "/",
		"4:cpu,cpuacct:/a\n1:name=systemd:/system.slice/a.service\n0::/\n": "/system.slice/a.service",
		"4:cpu,cpuacct:/a\n1:name=systemd:/user.slice":                     "/user.slice",
		"2:pids:/system.slice/docker.service\n4:cpu:/docker/" + id + "\n1:name=systemd:/system.slice/docker.service\n":                                                "/docker/" + id,
		"5:memory:/kubepods/burstable/pod" + uid + "/" + id + "\n1:name=systemd:/kubepods/burstable/pod" + uid + "/" + id + "\n0::/system.slice/containerd.service\n": "/kubepods/burstable/pod" + uid + "/" + id,
		"": "", "x": "", "0::": "", "\n\n": "",
	} {
		if got := bestCgroup(text); got != want {
			t.Errorf("%q: got %q, want %q", text, got, want)
		}
	}
}

func FuzzBestCgroup(f *testing.F) {
	f.Add("4:cpu,cpuacct:/a\n1:name=systemd:/user.slice\n0::/x (deleted)\n")
	f.Fuzz(func(t *testing.T, text string) {
		if got := bestCgroup(text); !strings.Contains(text, got) || strings.Contains(got, "\n") {
			t.Errorf("%q has no path %q", text, got)
		}
	})
}

// Where reading hangs, nobody waits long, and in the end nobody reads.
func TestHangingReads(t *testing.T) {
	var l onlooker
	me := self(t)
	l.hanging.Store(mostHanging - 1)
	if s, ok := l.look(me, true); !ok || s.program.Exe == "" || s.cgroup == "" {
		t.Errorf("with room for one: %+v", s)
	}
	deadline := time.Now().Add(time.Minute)
	for l.hanging.Load() != mostHanging-1 {
		if time.Now().After(deadline) {
			t.Fatalf("%d hang", l.hanging.Load())
		}
		time.Sleep(time.Millisecond)
	}
	l.hanging.Add(1)
	if s, ok := l.look(me, true); ok || s != (sight{}) {
		t.Errorf("with no room: %+v", s)
	}
}

func TestAllowance(t *testing.T) {
	var a allowance
	now := time.Now()
	if a.isSpent(now) {
		t.Error("spent before anything was")
	}
	a.left -= credit + 10*time.Millisecond
	if now = now.Add(30 * time.Millisecond); !a.isSpent(now) {
		t.Error("more than the credit is not spent")
	}
	if now = now.Add(20 * time.Millisecond); a.isSpent(now) {
		t.Errorf("%v left after waiting", a.left)
	}
	if a.isSpent(now.Add(time.Hour)); a.left != credit {
		t.Errorf("%v left after an hour", a.left)
	}
}
