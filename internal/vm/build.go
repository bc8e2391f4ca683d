package main

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
)

// suiteOf is a package whose tests run in guests.
type suiteOf struct {
	name  string // below internal, or of a program below cmd
	hooks bool   // its tests depend on the hook set
	only  string // those that a kernel may make a difference to; "": all
}

var packages = []suiteOf{
	{"scenario", true, ""}, {"probe", true, ""}, {"sockdiag", false, ""}, {"confine", false, ""}, {"chaos", true, ""},
	{"cgroup", false, ""},
	{"porttrace", false, "^(TestPort|TestNothingStays.*|TestTraceFromContainer|TestDoctorInContainer|TestOwnerByVersion1)$"},
}

// command stands for a command that is run in place of tests.
var command = suiteOf{name: "command"}

func (p suiteOf) path() string {
	if p.name == "porttrace" {
		return "./cmd/porttrace"
	}
	return "./internal/" + p.name
}

// built are the programs for guests of one architecture.
type built struct {
	init      string
	porttrace string
	bench     string            // where a command is run
	tests     map[string]string // by package
}

// build compiles what an architecture's guests run: static, as there is no libc.
func build(ctx context.Context, dir, arch string, packages []suiteOf) (*built, error) {
	at := func(name string) string { return filepath.Join(dir, name+"-"+arch) }
	b := &built{init: at("init"), porttrace: at("bin-porttrace"), tests: map[string]string{}}
	steps := [][]string{
		{"build", "-o", b.init, "./internal/vm/init"},
		{"build", "-o", b.porttrace, "./cmd/porttrace"},
	}
	for _, p := range packages {
		if p == command {
			b.bench = at("bench")
			steps = append(steps, []string{"build", "-o", b.bench, "./internal/bench"})
			continue
		}
		b.tests[p.name] = at(p.name)
		steps = append(steps, []string{"test", "-c", "-o", b.tests[p.name], p.path()})
	}
	for _, args := range steps {
		args = append([]string{args[0], "-trimpath", "-ldflags=-s -w"}, args[1:]...)
		cmd := exec.CommandContext(ctx, "go", args...)
		cmd.Env = append(os.Environ(), "CGO_ENABLED=0", "GOOS=linux", "GOARCH="+arch)
		if out, err := cmd.CombinedOutput(); err != nil {
			return nil, fmt.Errorf("building for %s: go %s: %w\n%s", arch, strings.Join(args, " "), err, out)
		}
	}
	return b, nil
}

// foreign are programs of the host's that tests run where they are there.
var foreign = []string{"nginx", "curl", "wrk", "redis-server", "redis-benchmark"}

// peers are the tracers that bench compares porttrace with.
var peers = []string{"tcplife", "tcptracer", "tcpconnect"}

// closure finds the foreign programs and, by ldd, every file they need to start. Those
// that are not on the host are left out: the tests say what they think of that.
func closure(ctx context.Context, names []string) ([]string, error) {
	var files []string
	for _, name := range names {
		program, err := lookPath(name)
		if err != nil {
			continue
		}
		out, err := exec.CommandContext(ctx, "ldd", program).Output()
		if err != nil {
			return nil, fmt.Errorf("asking ldd about %s: %w", program, said(err))
		}
		files = append(files, program)
		files = append(files, libraries(string(out))...)
	}
	return files, nil
}

func lookPath(name string) (string, error) {
	path, err := exec.LookPath(name)
	if err != nil {
		return exec.LookPath("/usr/sbin/" + name) // which users may not have in their path
	}
	return path, nil
}

// library is a line of ldd's: "libc.so.6 => /lib/x86_64-linux-gnu/libc.so.6 (0x00…)" or
// "/lib64/ld-linux-x86-64.so.2 (0x00…)".
var library = regexp.MustCompile(`(?m)^\s+(?:\S+ => )?(/\S+) \(`)

func libraries(ldd string) []string {
	var files []string
	for _, m := range library.FindAllStringSubmatch(ldd, -1) {
		files = append(files, m[1])
	}
	return files
}
