package main

import (
	"bytes"
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"time"

	"porttrace/internal/vm/orders"
)

// machine is how an architecture is emulated.
type machine struct {
	qemu, debian string // the program and the package it is in
	console      string
	args         []string
	lacks        []string // what tests need and it does not have
}

var machines = map[string]machine{
	// An old CPU: what younger ones add (AVX, SMAP and more) takes emulation a quarter longer.
	"amd64": {"qemu-system-x86_64", "qemu-system-x86", "ttyS0", []string{"-M", "q35", "-cpu", "Nehalem"}, nil},
	"arm64": {"qemu-system-aarch64", "qemu-system-arm", "ttyAMA0", []string{"-M", "virt,gic-version=3", "-cpu", "cortex-a72"}, []string{"suspend to memory"}},
}

// guest is one boot: a kernel, a hook set, and what runs in it.
type guest struct {
	kernel   *kernel
	hooks    string
	packages []suiteOf
	run      string   // -test.run; "": all
	command  []string // run in place of the packages' tests, if any
	boot     string   // arguments of the kernel
	cpus     int
}

func (g *guest) String() string {
	name := fmt.Sprintf("%s %s %s", g.kernel.version, g.kernel.arch, g.hooks)
	if g.cpus > 1 {
		name += fmt.Sprintf(" %d CPUs", g.cpus)
	}
	return strings.TrimSpace(name + " " + g.boot)
}

// lab is what all guests share.
type lab struct {
	dir     string
	timeout time.Duration // of one guest, on the host's clock
	verbose io.Writer     // gets consoles as a whole; nil: nothing does
	built   map[string]*built
	foreign []string // files of programs for guests of the host's architecture
}

// boot runs a guest to its end and returns its console and the CPU time it took here. An
// error is of the host's; whatever the guest did wrong is in the console.
func (l *lab) boot(ctx context.Context, g *guest) (console []byte, cpu time.Duration, err error) {
	name := filepath.Join(l.dir, strings.NewReplacer(" ", "-", "/", "-").Replace(g.String())+".cpio")
	defer os.Remove(name)
	if err := l.initramfs(name, g); err != nil {
		return nil, 0, err
	}
	ctx, cancel := context.WithTimeoutCause(ctx, l.timeout, fmt.Errorf("no end after %v", l.timeout))
	defer cancel()
	m := machines[g.kernel.arch]
	args := append([]string{
		"-nodefaults", "-no-user-config", "-no-reboot", "-display", "none", "-monitor", "none",
		// Software emulation on one of the host's CPUs, where a guest's clock counts its
		// instructions and leaps over the time it would sleep: a busy host makes a guest
		// slower to watch but not slower by its own clock, which is what tests measure
		// with. It stands still while the guest is suspended, so the alarm that ends this
		// is by the host's.
		"-accel", "tcg,thread=single", "-icount", "shift=1,sleep=off", "-rtc", "clock=host",
		"-smp", strconv.Itoa(g.cpus), "-m", "1024", "-serial", "stdio", "-kernel", g.kernel.image, "-initrd", name,
		"-append", "console=" + m.console + " quiet panic=-1 mitigations=off " + g.boot,
	}, m.args...)
	qemu := exec.CommandContext(ctx, m.qemu, args...)
	var out, complaints bytes.Buffer
	qemu.Stdout, qemu.Stderr = &out, &complaints
	err = qemu.Run()
	if s := qemu.ProcessState; s != nil {
		cpu = s.UserTime() + s.SystemTime()
	}
	switch {
	case ctx.Err() != nil:
		err = context.Cause(ctx)
	case errors.Is(err, exec.ErrNotFound):
		err = fmt.Errorf("%w: install %s", err, m.debian)
	case err != nil:
		err = fmt.Errorf("%s: %w: %s", m.qemu, err, bytes.TrimSpace(complaints.Bytes()))
	}
	return out.Bytes(), cpu, err
}

// initramfs writes the whole of what a guest has.
func (l *lab) initramfs(name string, g *guest) (err error) {
	f, err := os.Create(name)
	if err != nil {
		return fmt.Errorf("writing an initramfs: %w", err)
	}
	defer func() { err = errors.Join(err, f.Close()) }()
	b := l.built[g.kernel.arch]
	contents := map[string]string{"init": b.init, "bin/porttrace": b.porttrace}
	if g.kernel.arch == runtime.GOARCH {
		for _, file := range l.foreign {
			contents[file] = file
		}
	}
	o := orders.Orders{}
	for _, m := range g.kernel.modules {
		inside := "/modules/" + filepath.Base(m)
		contents[inside] = m
		o.Modules = append(o.Modules, inside)
	}
	for _, p := range g.packages {
		if p == command {
			contents["bin/bench"] = b.bench
			o.Programs = append(o.Programs, orders.Program{Name: p.name, Args: append([]string{"/bin/" + g.command[0]}, g.command[1:]...)})
			continue
		}
		inside := "/tests/" + p.name
		contents[inside] = b.tests[p.name]
		o.Programs = append(o.Programs, g.program(p, inside))
	}
	a := newArchive(f)
	a.console()
	for inside, outside := range contents {
		if err := a.add(inside, outside); err != nil {
			return err
		}
	}
	text, err := json.Marshal(o)
	if err != nil {
		return err
	}
	a.put(orders.File, text)
	// Programs of the host's look their user up.
	a.put("/etc/passwd", []byte("root:x:0:0::/root:/bin/sh\nnobody:x:65534:65534::/:/bin/false\n"))
	a.put("/etc/group", []byte("root:x:0:\nnogroup:x:65534:\n"))
	return a.close()
}

// program is the order to run a package's tests.
func (g *guest) program(p suiteOf, file string) orders.Program {
	args := []string{file, "-test.v=test2json", "-test.timeout=60m", "-test.paniconexit0"}
	if run := cmp.Or(g.run, p.only); run != "" {
		args = append(args, "-test.run="+run)
	}
	return orders.Program{Name: p.name, Args: args, Env: []string{
		"PORTTRACE_TEST_HOOKS=" + g.hooks,
		"PORTTRACE_TEST_REQUIRE_BPF=1",
		"PORTTRACE_TEST_OWN_MACHINE=1",
		"PORTTRACE_TEST_PROGRAM=/bin/porttrace",
		"PORTTRACE_TEST_LACKS=" + strings.Join(g.lacks(), ";"),
	}}
}

// younger are the things that tests need and some of these kernels are too old for.
var younger = []struct{ need, since string }{
	{"hooks that work: the stable hook set", "5.15"}, // checkAge
	{"MPTCP", "5.18"}, // off in Debian's cloud kernel of 5.10
	{"the tracepoint sock_send_length", "6.3"},
	{"IP_LOCAL_PORT_RANGE", "6.3"},
	{"programs where packets enter", "6.6"},
	{"a kernel that lists bound sockets", "6.8"},
	{"a socket and its mini-socket with one cookie", "5.12"},
}

// lacks names what cannot be in a guest, so that tests that need it may be skipped. Any
// other need that is not met is a failure.
func (g *guest) lacks() []string {
	names := slices.Clone(machines[g.kernel.arch].lacks)
	if g.kernel.arch != runtime.GOARCH {
		names = append(names, foreign...)
	}
	for _, y := range younger {
		if compareVersions(g.kernel.version, y.since) < 0 {
			names = append(names, y.need)
		}
	}
	return names
}
