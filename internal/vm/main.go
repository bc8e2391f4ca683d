// Command vm runs the tests of the real kernel on other kernels: it boots Debian's in
// QEMU with software emulation, each from an initramfs that holds the test binaries, and
// prints what passed, failed and was skipped, and why. It needs no root. Run it as
//
//	make test-vm
//
// It exits 1 when anything failed, be it a kernel that could not be fetched or booted,
// and 2 on wrong usage.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/signal"
	"path/filepath"
	"sync"
	"syscall"
	"time"
)

func main() {
	os.Exit(run(os.Args[1:], os.Stdout, os.Stderr))
}

var (
	errUsage  = errors.New("wrong usage")
	errFailed = errors.New("not all is well")
)

func run(args []string, stdout, stderr io.Writer) int {
	o, err := parse(args, stderr)
	switch {
	case errors.Is(err, flag.ErrHelp):
		return 0
	case err == nil:
		ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
		defer stop()
		err = o.test(ctx, stdout, stderr)
	}
	if err != nil && !errors.Is(err, errFailed) {
		fmt.Fprintf(stderr, "vm: %v\n", err)
	}
	switch {
	case errors.Is(err, errUsage):
		return 2
	case err != nil:
		return 1
	}
	return 0
}

// test boots every guest that the options name and prints the matrix.
func (o options) test(ctx context.Context, stdout, stderr io.Writer) error {
	notice := func(format string, args ...any) { fmt.Fprintf(stderr, "vm: "+format+"\n", args...) }
	dir, err := os.MkdirTemp("", "porttrace-vm-")
	if err != nil {
		return fmt.Errorf("making a folder for initramfs: %w", err)
	}
	defer os.RemoveAll(dir)
	guests, err := o.guests(ctx, notice)
	if err != nil {
		return err
	}
	l := &lab{dir: dir, timeout: o.timeout, built: map[string]*built{}}
	if o.verbose {
		l.verbose = stderr
	}
	names := foreign
	if len(o.command) > 0 {
		names = peers
	}
	if l.foreign, err = closure(ctx, names); err != nil {
		return err
	}
	for _, g := range guests {
		if arch := g.kernel.arch; l.built[arch] == nil {
			notice("building for %s", arch)
			if l.built[arch], err = build(ctx, dir, arch, o.packages); err != nil {
				return err
			}
		}
	}
	if !printMatrix(stdout, l.runAll(ctx, guests, o.parallel, notice)) {
		return errFailed
	}
	return nil
}

// guests fetches the kernels and returns what is to be booted, in the matrix's order.
func (o options) guests(ctx context.Context, notice func(string, ...any)) ([]*guest, error) {
	cache, err := os.UserCacheDir()
	if err != nil {
		return nil, fmt.Errorf("looking for a cache: %w", err)
	}
	a, err := openApt(ctx, filepath.Join(cache, "porttrace", "kernels"), notice)
	if err != nil {
		return nil, err
	}
	var guests []*guest
	for _, c := range o.cells {
		k, err := a.kernel(ctx, c.kernel, c.arch)
		if err != nil {
			return nil, err
		}
		for i, hooks := range o.hooks {
			g := &guest{kernel: k, hooks: hooks, run: o.run, command: o.command, boot: o.boot, cpus: o.cpus}
			for _, p := range o.packages {
				if p.hooks || i == 0 {
					g.packages = append(g.packages, p)
				}
			}
			if len(g.packages) > 0 {
				guests = append(guests, g)
			}
		}
	}
	return guests, nil
}

// runAll boots the guests, some at a time.
func (l *lab) runAll(ctx context.Context, guests []*guest, parallel int, notice func(string, ...any)) []*result {
	all := make([][]*result, len(guests))
	slots := make(chan struct{}, parallel)
	var running sync.WaitGroup
	for i, g := range guests {
		slots <- struct{}{}
		running.Go(func() {
			defer func() { <-slots }()
			notice("%v: boots", g)
			began := time.Now()
			console, cpu, err := l.boot(ctx, g)
			if l.verbose != nil {
				fmt.Fprintf(l.verbose, "%v:\n%s\n", g, console)
			}
			// What an interrupted run found out is still told.
			all[i] = read(context.WithoutCancel(ctx), g, console, err)
			word := "well"
			if anyFailed(all[i]) {
				word = "not well"
			}
			notice("%v: %s after %v (CPU: %v)", g, word, time.Since(began).Round(time.Second), cpu.Round(time.Second))
		})
	}
	running.Wait()
	var results []*result
	for _, r := range all {
		results = append(results, r...)
	}
	return results
}
