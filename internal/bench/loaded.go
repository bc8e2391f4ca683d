package main

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"

	"github.com/cilium/ebpf"
	"github.com/cilium/ebpf/asm"
	"github.com/cilium/ebpf/link"
)

// withStats asks porttrace to tell its programs' statistics when it ends. Others do not
// mind.
func withStats(command func(string) *exec.Cmd) func(string) *exec.Cmd {
	return func(output string) *exec.Cmd {
		cmd := command(output)
		cmd.Env = append(os.Environ(), "PORTTRACE_BPF_STATS=1")
		return cmd
	}
}

var progID = regexp.MustCompile(`(?m)^prog_id:\s*(\d+)$`)

// programsOf reads the statistics of the programs that a process holds descriptors of,
// directly or through a link or a perf event.
func programsOf(pid int) ([]cost, error) {
	infos, err := filepath.Glob(fmt.Sprintf("/proc/%d/fdinfo/*", pid))
	if err != nil {
		return nil, fmt.Errorf("listing descriptors: %w", err)
	}
	var costs []cost
	seen := map[string]bool{}
	for _, path := range infos {
		text, _ := os.ReadFile(path) // one that was closed meanwhile reads as nothing
		m := progID.FindSubmatch(text)
		if m == nil || seen[string(m[1])] {
			continue
		}
		seen[string(m[1])] = true
		id, err := strconv.ParseUint(string(m[1]), 10, 32)
		if err != nil {
			continue
		}
		prog, err := ebpf.NewProgramFromID(ebpf.ProgramID(id))
		if errors.Is(err, os.ErrNotExist) {
			continue
		} else if err != nil {
			return nil, fmt.Errorf("opening BPF program %d: %w", id, err)
		}
		c, err := costOf(prog)
		prog.Close()
		if err != nil {
			return nil, err
		}
		costs = append(costs, c)
	}
	return costs, nil
}

func costOf(prog *ebpf.Program) (cost, error) {
	info, err := prog.Info()
	if err != nil {
		return cost{}, fmt.Errorf("reading a BPF program's name: %w", err)
	}
	stats, err := prog.Stats()
	if err != nil {
		return cost{}, fmt.Errorf("reading a BPF program's statistics: %w", err)
	}
	return cost{info.Name, info.Type, stats.RunCount, stats.Runtime, stats.RecursionMisses}, nil
}

// empties runs a short storm with programs attached that do nothing.
func (b *bench) empties(clients int) ([]cost, error) {
	tracing, err := attachEmpty("tp_btf", &ebpf.ProgramSpec{
		Type: ebpf.Tracing, AttachType: ebpf.AttachTraceRawTp, AttachTo: "inet_sock_set_state",
	}, func(p *ebpf.Program) (link.Link, error) {
		return link.AttachTracing(link.TracingOptions{Program: p})
	})
	if err != nil {
		return nil, err
	}
	defer tracing.close()
	progs := []*empty{tracing}
	// Without the unified hierarchy there is no sockops either.
	if root, ok := cgroupRoot(); ok {
		sockops, err := attachEmpty("sockops", &ebpf.ProgramSpec{
			Type: ebpf.SockOps, AttachType: ebpf.AttachCGroupSockOps,
		}, func(p *ebpf.Program) (link.Link, error) {
			return link.AttachCgroup(link.CgroupOptions{Path: root, Attach: ebpf.AttachCGroupSockOps, Program: p})
		})
		if err != nil {
			return nil, err
		}
		defer sockops.close()
		progs = append(progs, sockops)
	}
	short := b.options
	short.seconds = min(2, b.seconds)
	if _, err := b.one(contender{name: "empty"}, short, clients); err != nil {
		return nil, err
	}
	var costs []cost
	for _, p := range progs {
		c, err := costOf(p.prog)
		if err != nil {
			return nil, err
		}
		c.name = p.name
		costs = append(costs, c)
	}
	return costs, nil
}

// empty is a program that returns at once.
type empty struct {
	name string
	prog *ebpf.Program
	link link.Link
}

func attachEmpty(name string, spec *ebpf.ProgramSpec, attach func(*ebpf.Program) (link.Link, error)) (*empty, error) {
	result := int32(0)
	if spec.Type == ebpf.SockOps {
		result = 1
	}
	spec.Name = "empty"
	spec.License = "GPL"
	spec.Instructions = asm.Instructions{asm.Mov.Imm(asm.R0, result), asm.Return()}
	prog, err := ebpf.NewProgram(spec)
	if err != nil {
		return nil, fmt.Errorf("loading an empty %s program: %w", name, err)
	}
	l, err := attach(prog)
	if err != nil {
		prog.Close()
		return nil, fmt.Errorf("attaching an empty %s program: %w", name, err)
	}
	return &empty{name, prog, l}, nil
}

func (e *empty) close() {
	e.link.Close()
	e.prog.Close()
}

// cgroupRoot finds where the unified hierarchy is mounted.
func cgroupRoot() (string, bool) {
	text, err := os.ReadFile("/proc/self/mounts")
	if err != nil {
		return "", false
	}
	for line := range strings.Lines(string(text)) {
		if f := strings.Fields(line); len(f) > 2 && f[2] == "cgroup2" {
			return f[1], true
		}
	}
	return "", false
}
