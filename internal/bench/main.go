// Command bench measures what tracing costs: a storm of loopback connects in a network
// namespace of its own, with nothing attached, with porttrace recording the whole host,
// and with its peers of Debian's libbpf-tools, in turns. With -known it also asks what
// each of them tells of ports whose true lifetimes are known. It needs root. Run it as
//
//	go run ./internal/bench -porttrace ./bin/porttrace
//
// It exits 1 when porttrace lost something or its recording is not what was done, 2 on
// wrong usage.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/signal"
	"runtime"
	"syscall"
	"time"

	"porttrace/internal/probe"
)

func main() {
	os.Exit(run(os.Args[1:], os.Stdout, os.Stderr))
}

// options are the flags. The processes of the storm are this program again and get
// the same ones.
type options struct {
	porttrace string
	hooks     hookSets
	runs      int
	seconds   float64
	clients   counts
	orderly   int
	mix       string
	dial      string
	again     bool
	stats     bool
	holds     int
	known     int
	role      string
	rest      []string // further arguments
}

func (o options) length() time.Duration {
	return time.Duration(o.seconds * float64(time.Second))
}

var (
	errUsage   = errors.New("wrong usage")
	errVerdict = errors.New("porttrace's recording is not what was done")
)

func run(args []string, stdout, stderr io.Writer) int {
	o, err := parse(args, stderr)
	switch {
	case errors.Is(err, flag.ErrHelp):
		return 0
	case err == nil:
		err = start(o, stdout, stderr)
	}
	if err != nil {
		fmt.Fprintf(stderr, "bench: %v\n", err)
	}
	switch {
	case errors.Is(err, errUsage):
		return 2
	case err != nil:
		return 1
	}
	return 0
}

func parse(args []string, stderr io.Writer) (options, error) {
	o := options{clients: counts{1, 3}, hooks: hookSets{string(probe.Auto)}}
	set := flag.NewFlagSet("bench", flag.ContinueOnError)
	set.SetOutput(stderr)
	set.StringVar(&o.porttrace, "porttrace", "./bin/porttrace", "the `binary` to measure; \"\" leaves it out")
	set.Var(&o.hooks, "hooks", "porttrace's hook `sets`, each measured by itself, a list with commas")
	set.IntVar(&o.runs, "runs", 5, "rounds; in each one every configuration runs once")
	set.Float64Var(&o.seconds, "seconds", 5, "length of one storm")
	set.Var(&o.clients, "clients", "numbers of client processes, a `list` with commas")
	set.IntVar(&o.orderly, "orderly", 16, "one connection in `N` closes with FIN, by turns client or server first; 0: none does")
	set.StringVar(&o.mix, "mix", "tcp", "`tcp` (IPv4) or all (TCP and UDP, IPv4 and IPv6)")
	set.StringVar(&o.dial, "dial", "raw", "clients make `raw` system calls, as fast as it goes, or use package net")
	set.BoolVar(&o.again, "replay", true, "then read porttrace's last recording again")
	set.BoolVar(&o.stats, "stats", false, "then measure each BPF program, nanoseconds a run (-runs 0: only that)")
	set.IntVar(&o.holds, "holds", 0, "then measure porttrace's memory at `N` live holds (-runs 0: only that); 0: not")
	set.IntVar(&o.known, "known", 0, "then compare what each tells of `N` ports got in every way (-runs 0: only that); 0: not")
	set.StringVar(&o.role, "role", "", "for the bench itself: which process of the storm to be")
	if err := set.Parse(args); err != nil {
		if errors.Is(err, flag.ErrHelp) {
			return o, err
		}
		return o, fmt.Errorf("%w: %w", errUsage, err)
	}
	o.rest = set.Args()
	return o, o.validate()
}

func (o options) validate() error {
	switch {
	case len(o.rest) > 0 && o.role != "tracefs":
		return fmt.Errorf("%w: unexpected argument %q", errUsage, o.rest[0])
	case o.runs < 0:
		return fmt.Errorf("%w: -runs %d: must not be negative", errUsage, o.runs)
	case o.seconds <= 0:
		return fmt.Errorf("%w: -seconds %g: must be above 0", errUsage, o.seconds)
	case o.orderly < 0:
		return fmt.Errorf("%w: -orderly %d: must not be negative", errUsage, o.orderly)
	case o.holds < 0 || o.holds > maxHolds:
		return fmt.Errorf("%w: -holds %d: must be 0 to %d", errUsage, o.holds, maxHolds)
	case o.known < 0 || o.known > maxKnown:
		return fmt.Errorf("%w: -known %d: must be 0 to %d", errUsage, o.known, maxKnown)
	case o.mix != "tcp" && o.mix != "all":
		return fmt.Errorf("%w: -mix %q: must be tcp or all", errUsage, o.mix)
	case o.dial != "raw" && o.dial != "net":
		return fmt.Errorf("%w: -dial %q: must be raw or net", errUsage, o.dial)
	case o.role == "tracefs" && len(o.rest) == 0:
		return fmt.Errorf("%w: -role tracefs: no program named", errUsage)
	}
	return nil
}

func start(o options, stdout, stderr io.Writer) error {
	// Children ask to be killed when the thread that started them dies: start all of
	// them from the one thread that lives as long as the process.
	runtime.LockOSThread()
	switch o.role {
	case "":
		return measure(o, stdout, stderr)
	case "arena":
		return runArena(o, os.Stdin, stdout)
	case "server":
		return runServer(o, os.Stdin, stdout)
	case "holder":
		return runHolder(o, os.Stdin, stdout)
	case "client":
		return runClient(o, os.Stdin, stdout)
	case "visitor":
		return runVisitor(o, os.Stdin, stdout)
	case "tracefs":
		return runTracefs(o.rest)
	}
	return fmt.Errorf("%w: -role %q: unknown", errUsage, o.role)
}

func measure(o options, stdout, stderr io.Writer) error {
	if os.Geteuid() != 0 {
		return errors.New("making a network namespace and loading BPF needs root: run it with sudo")
	}
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	dir, err := os.MkdirTemp("", "porttrace-bench-")
	if err != nil {
		return fmt.Errorf("making a folder for recordings: %w", err)
	}
	defer os.RemoveAll(dir)

	b := &bench{options: o, ctx: ctx, dir: dir, stdout: stdout, stderr: stderr}
	b.known = 0 // for judge's arena only
	all, err := b.contenders()
	if err != nil {
		return err
	}
	return b.all(all, o.known)
}

// all is everything that was asked for, in the order of the flags.
func (b *bench) all(contenders []contender, known int) error {
	var bad, wrong bool
	var err error
	if b.runs > 0 {
		if bad, err = b.compare(contenders); err != nil {
			return err
		}
	}
	if b.again {
		if err := b.replay(); err != nil {
			return err
		}
	}
	if b.stats {
		if err := b.programs(contenders); err != nil {
			return err
		}
	}
	if b.holds > 0 {
		if err := b.memoryAtHolds(contenders); err != nil {
			return err
		}
	}
	if known > 0 {
		if wrong, err = b.judge(contenders, known); err != nil {
			return b.why(err)
		}
	}
	if bad || wrong {
		return errVerdict
	}
	return nil
}
