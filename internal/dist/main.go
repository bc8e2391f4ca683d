// Command dist makes what a release consists of, from the source and nothing else: the
// same commit and the same Go make the same bytes, wherever and whenever. It is a module
// of its own, so that the many modules which write packages stay out of the program's.
package main

import (
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"
)

func main() {
	if err := run(os.Args[1:]); err != nil {
		fmt.Fprintf(os.Stderr, "dist: %v\n", err)
		os.Exit(1)
	}
}

func run(args []string) error {
	flags := flag.NewFlagSet("dist", flag.ContinueOnError)
	flags.SetOutput(io.Discard) // make calls it, and make's help is the README
	source := flags.String("source", ".", "the folder of the source")
	output := flags.String("output", "dist", "the folder to write, which is replaced")
	version := flags.String("version", "", "as git describe has it")
	commit := flags.String("commit", "", "its hash")
	date := flags.String("date", "", "the commit's date, in seconds since 1970")
	maintainer := flags.String("maintainer", "", "who packages it: Name <address>")
	if err := flags.Parse(args); err != nil {
		return err
	}
	seconds, err := strconv.ParseInt(*date, 10, 64)
	if err != nil || *version == "" {
		return errors.New("make dist needs git, or VERSION, COMMIT and SOURCE_DATE_EPOCH from elsewhere")
	}
	r := &release{
		source: *source, version: strings.TrimPrefix(*version, "v"), tag: *version, commit: *commit,
		date: time.Unix(seconds, 0).UTC(), maintainer: *maintainer,
	}
	return r.writeTo(*output)
}

// writeTo makes everything in a folder beside the output and then moves it there.
func (r *release) writeTo(output string) error {
	if err := checkReplaceable(output); err != nil {
		return err
	}
	output, err := filepath.Abs(output)
	if err != nil {
		return fmt.Errorf("finding the output: %w", err)
	}
	if r.work, err = os.MkdirTemp(filepath.Dir(output), ".dist-"); err != nil {
		return fmt.Errorf("making room: %w", err)
	}
	defer os.RemoveAll(r.work)
	r.out = filepath.Join(r.work, "out")
	if err := os.Mkdir(r.out, 0o755); err != nil {
		return fmt.Errorf("making room: %w", err)
	}
	if err := r.make(); err != nil {
		return err
	}
	if err := errors.Join(os.RemoveAll(output), os.Rename(r.out, output)); err != nil {
		return fmt.Errorf("replacing %s: %w", output, err)
	}
	return nil
}

// checkReplaceable refuses to delete what was not made here.
func checkReplaceable(output string) error {
	entries, err := os.ReadDir(output)
	if errors.Is(err, os.ErrNotExist) || err == nil && len(entries) == 0 {
		return nil
	}
	if err == nil {
		_, err = os.Stat(filepath.Join(output, sumsName))
	}
	if err != nil {
		return fmt.Errorf("replacing %s: it has no %s, so it was not made by dist: name another folder", output, sumsName)
	}
	return nil
}
