//go:build linux

package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"time"

	"golang.org/x/sys/unix"

	"porttrace/internal/commandline"
	"porttrace/internal/ktime"
	"porttrace/internal/pipeline"
	"porttrace/internal/report"
)

const reportAbout = `porttrace report tells from recordings who held the ports, for how long and in
	which states, what could not be had and why, and what to change. Files may be parts of
	one recording or come from several hosts, plain or compressed; - is standard input. It
	needs no root.`

// commandLine returns the flag set that fills s.
func (s *reportFlags) commandLine() *flagSet {
	flags := newFlagSet("report", reportAbout,
		example{"report porttrace-20261123T201500Z.jsonl", "why did this host run out of ports?"},
		example{"report --port 60568 ports.jsonl.zst", "all that happened to one port, and when it was idle"},
		example{"report --since 20:15 --until 20:30 web*.jsonl", "a quarter of an hour on several hosts"},
		example{"report --since -10m --dst 10.0.0.5:5432 x.jsonl", "one destination in the last ten minutes"},
		example{"report --by unit x.jsonl", "which unit holds the ports? also by container, pod, user, ..."},
		example{"report --format json - < x.jsonl", "for another program"})
	flags.operands, flags.takes, flags.rootless = "FILE...", commandline.File, true
	s.bind(flags)
	return flags
}

func reportCommand(e *env) error {
	var set reportFlags
	flags := set.commandLine()
	if err := flags.parse(e); err != nil {
		return err
	}
	if err := set.check(flags.all.Args()); err != nil {
		return usageError{err}
	}
	in, err := report.OpenInputs(flags.all.Args(), e.stdin)
	if err != nil {
		return err
	}
	defer in.Close()
	return runReport(e, &set, in)
}

func runReport(e *env, set *reportFlags, in *report.Inputs) error {
	options := set.options()
	if err := set.setTimes(&options, in, e.now().Location()); err != nil {
		return err
	}
	write, sinks := set.format.writer(e, set)
	options.Sinks = sinks
	c := report.New(options)
	progress := newProgress(e, in)
	err := pipeline.Run(context.Background(), in.Source(c), c, progress)
	progress.end()
	if err != nil {
		return err
	}
	s := c.Summary()
	tellTorn(e, s)
	if s.Outside() {
		return fmt.Errorf("nothing was recorded then: the recording is from %s to %s",
			s.First.Time().Format(time.RFC3339), s.End.Time().Format(time.RFC3339))
	}
	return set.deliver(e, func(w io.Writer) error { return write(w, s) })
}

// tellTorn says which files end in the middle of a line.
func tellTorn(e *env, s *report.Summary) {
	for i := range s.Recordings {
		for _, name := range s.Recordings[i].Torn {
			fmt.Fprintf(e.stderr, "porttrace: %s\n", oneLine(name+": the last line is torn, and was skipped"))
		}
	}
}

// setTimes finds out which moments --since and --until mean.
func (s *reportFlags) setTimes(o *report.Options, in *report.Inputs, zone *time.Location) error {
	start, end := in.Start().Time().In(zone), time.Time{}
	if s.since.FromEnd() || s.until.FromEnd() {
		last, err := in.Last()
		if err != nil {
			return err
		}
		end = last.Time().In(zone)
	}
	since := s.since.In(start, end)
	until := s.until.After(since, start, end)
	if !since.IsZero() && !until.IsZero() && !until.After(since) {
		return usageError{fmt.Errorf("--until %s is not after --since %s: that is no time to report on", s.until.String(), s.since.String())}
	}
	o.Since, o.Until = ktime.WallOf(since), ktime.WallOf(until)
	return nil
}

// checkOutput refuses, before much is read, a file that cannot be made.
func (s *reportFlags) checkOutput() error {
	name := string(s.output)
	if name == "" || name == "-" {
		return nil
	}
	if _, err := os.Lstat(name); err == nil {
		return fmt.Errorf("--output: %s exists already: name another file, or remove it", name)
	}
	if err := unix.Access(filepath.Dir(name), unix.W_OK); err != nil {
		return fmt.Errorf("--output: making %s: %w", name, err)
	}
	return nil
}

// deliver has the report written to where it goes. What cannot be written whole is removed.
func (s *reportFlags) deliver(e *env, write func(io.Writer) error) error {
	name := string(s.output)
	if name == "" || name == "-" {
		return write(e.stdout)
	}
	f, err := os.OpenFile(name, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o640)
	if errors.Is(err, fs.ErrExist) {
		err = errors.New("it exists already: name another file, or remove it")
	}
	if err != nil {
		return fmt.Errorf("making the report %s: %w", name, err)
	}
	err = errors.Join(write(f), f.Close())
	if err != nil {
		os.Remove(name)
	}
	return err
}
