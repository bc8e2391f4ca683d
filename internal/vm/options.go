package main

import (
	"errors"
	"flag"
	"fmt"
	"io"
	"slices"
	"strings"
	"time"
)

// options are the flags, taken apart.
type options struct {
	cells    []cell
	hooks    []string
	packages []suiteOf
	run      string
	parallel int
	timeout  time.Duration
	command  []string // what is run in place of tests
	boot     string   // arguments of the kernels
	cpus     int      // of each guest, emulated by one thread
	verbose  bool
}

// hookSets are the sets that every kernel is tested with.
var hookSets = []string{"stable", "fentry"}

func parse(args []string, stderr io.Writer) (options, error) {
	var o options
	var kernels, arch, hooks, names, instead string
	set := flag.NewFlagSet("vm", flag.ContinueOnError)
	set.SetOutput(stderr)
	set.StringVar(&kernels, "kernel", "", "only these `versions`, a list with commas, such as 6.12,newest")
	set.StringVar(&arch, "arch", "", "only this `architecture`, amd64 or arm64; amd64 if there is a -kernel")
	set.StringVar(&hooks, "hooks", "", "only this hook `set`: stable, fentry or auto")
	set.StringVar(&names, "package", "", "only these `packages`, a list with commas")
	set.StringVar(&o.run, "run", "", "only the tests that match this `expression`, as for go test")
	set.StringVar(&instead, "command", "", "run this `command`, such as \"porttrace doctor\", in place of tests, and print what it says")
	set.StringVar(&o.boot, "boot", "", "boot kernels with these `arguments`, too, such as preempt=full")
	set.IntVar(&o.cpus, "cpus", 1, "`CPUs` of each guest, which take turns on one of the host's")
	set.BoolVar(&o.verbose, "v", false, "print all that guests say, too")
	set.IntVar(&o.parallel, "parallel", 2, "`guests` at a time, each on one of the host's CPUs")
	set.DurationVar(&o.timeout, "timeout", 20*time.Minute, "a guest's `time`, after which it has failed")
	if err := set.Parse(args); err != nil {
		if errors.Is(err, flag.ErrHelp) {
			return o, err
		}
		return o, fmt.Errorf("%w: %w", errUsage, err)
	}
	switch {
	case set.NArg() > 0:
		return o, fmt.Errorf("%w: unexpected argument %q", errUsage, set.Arg(0))
	case o.parallel < 1:
		return o, fmt.Errorf("%w: -parallel %d: must be 1 or more", errUsage, o.parallel)
	case o.cpus < 1:
		return o, fmt.Errorf("%w: -cpus %d: must be 1 or more", errUsage, o.cpus)
	case arch != "" && machines[arch].qemu == "":
		return o, fmt.Errorf("%w: -arch %q: must be amd64 or arm64", errUsage, arch)
	case hooks != "" && hooks != "auto" && !slices.Contains(hookSets, hooks):
		return o, fmt.Errorf("%w: -hooks %q: must be stable, fentry or auto", errUsage, hooks)
	}
	o.cells = cells(kernels, arch)
	o.hooks = hookSets
	if o.command = strings.Fields(instead); len(o.command) > 0 {
		o.hooks, o.packages = []string{"auto"}, []suiteOf{command}
		return o, nil
	}
	if hooks != "" {
		o.hooks = []string{hooks}
	}
	return o, o.choosePackages(names)
}

// cells are the matrix's, or those of the kernels asked for.
func cells(kernels, arch string) []cell {
	if kernels == "" {
		return slices.DeleteFunc(slices.Clone(matrix), func(c cell) bool { return arch != "" && c.arch != arch })
	}
	if arch == "" {
		arch = "amd64"
	}
	var chosen []cell
	for k := range strings.SplitSeq(kernels, ",") {
		chosen = append(chosen, cell{k, arch})
	}
	return chosen
}

func (o *options) choosePackages(names string) error {
	if names == "" {
		o.packages = packages
		return nil
	}
	for name := range strings.SplitSeq(names, ",") {
		i := slices.IndexFunc(packages, func(p suiteOf) bool { return p.name == name })
		if i < 0 {
			return fmt.Errorf("%w: -package %q: its tests do not run in guests", errUsage, name)
		}
		o.packages = append(o.packages, packages[i])
	}
	return nil
}
