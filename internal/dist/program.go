package main

import (
	"bytes"
	"debug/buildinfo"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"runtime/debug"
	"strings"
)

// program is the executable for one architecture.
type program struct {
	arch string
	path string
	data []byte
	info *debug.BuildInfo
}

// build compiles the program: static, without the paths of this machine, and without
// what the environment could change.
func (r *release) build(arch string) (*program, error) {
	p := &program{arch: arch, path: filepath.Join(r.work, "porttrace-"+arch)}
	cmd := exec.Command("go", "build", "-trimpath", "-buildvcs=false", "-mod=readonly",
		"-ldflags", fmt.Sprintf("-s -w -X main.version=%s -X main.commit=%s -X main.date=%d", r.tag, r.commit, r.date.Unix()),
		"-o", p.path, "./cmd/porttrace")
	cmd.Dir = r.source
	cmd.Env = append(os.Environ(), "CGO_ENABLED=0", "GOOS=linux", "GOARCH="+arch,
		"GOAMD64=v1", "GOARM64=v8.0", "GOFLAGS=", "GOEXPERIMENT=", "GOFIPS140=off", "GOWORK=off")
	out, err := cmd.CombinedOutput()
	if err != nil {
		return nil, fmt.Errorf("building for %s: %w: %s", arch, err, out)
	}
	if p.data, err = os.ReadFile(p.path); err != nil {
		return nil, fmt.Errorf("building for %s: %w", arch, err)
	}
	if p.info, err = buildinfo.Read(bytes.NewReader(p.data)); err != nil {
		return nil, fmt.Errorf("reading what %s was built of: %w", p.path, err)
	}
	return p, nil
}

// say runs the program and returns what it prints.
func (p *program) say(args ...string) ([]byte, error) {
	var stderr bytes.Buffer
	cmd := exec.Command(p.path, args...)
	cmd.Stderr = &stderr
	out, err := cmd.Output()
	if err != nil {
		return nil, fmt.Errorf("running porttrace %s: %w: %s", strings.Join(args, " "), err, &stderr)
	}
	return out, nil
}

// native returns the program that runs here.
func native(programs []*program) (*program, error) {
	for _, p := range programs {
		if p.arch == runtime.GOARCH && runtime.GOOS == "linux" {
			return p, nil
		}
	}
	return nil, errors.New("the program itself prints its manual page: make dist on Linux on amd64 or arm64")
}
