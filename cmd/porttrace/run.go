//go:build linux

package main

import (
	"errors"
	"fmt"
	"io"
	"os"
	"strconv"
	"strings"
	"syscall"
	"unicode"

	"porttrace/internal/backlog"
	"porttrace/internal/flagvalue"
)

// command is one row of the command table.
type command struct {
	name  string // "" for the tracer, which runs without a name
	help  string // one line
	run   func(*env) error
	flags func() *flagSet // its command line, not parsed
	aside bool            // no part of tracing: not in the list of commands
}

// commands returns the command table, in the order of the help.
func commands() []command {
	return []command{
		{name: "", help: "trace and record until Ctrl-C, SIGTERM or --duration", run: trace,
			flags: func() *flagSet { return new(traceFlags).commandLine() }},
		{name: "report", help: "lifetimes, a port's history, exhaustion diagnosis", run: reportCommand,
			flags: func() *flagSet { return new(reportFlags).commandLine() }},
		{name: "check", help: "how full every pool is right now; needs no BPF", run: checkPools,
			flags: func() *flagSet { return new(checkFlags).commandLine() }},
		{name: "doctor", help: "what this kernel and these privileges allow, and why", run: doctor, flags: doctorFlags},
		{name: "man", help: "print the manual page", run: printManual, flags: manualFlags, aside: true},
		{name: "completion", help: "print what lets a shell complete command lines", run: printCompletion, flags: completionFlags, aside: true},
	}
}

// run runs the command that the arguments name and returns the exit status.
func run(e *env) int {
	err := dispatch(e)
	if text := message(err); text != "" {
		out := patient(e.stderr)
		fmt.Fprintf(out, "porttrace: %s\n", text)
		_ = out.Close() // there is nowhere else to say it
	}
	return exitStatus(err)
}

// patient returns standard error as one that makes nobody wait, but Close for a while: it
// may be the terminal or the pager that nobody reads.
func patient(stderr io.Writer) *backlog.Stream {
	return backlog.New(stderr, backlog.Options{Name: "standard error", Record: "line", Batches: 1})
}

func dispatch(e *env) error {
	if len(e.args) == 0 || strings.HasPrefix(e.args[0], "-") {
		return trace(e)
	}
	name := e.args[0]
	for _, c := range commands() {
		if c.name == name && name != "" {
			of := *e
			of.args = e.args[1:]
			return c.run(&of)
		}
	}
	if ports := new(flagvalue.Ports); ports.Set(name) == nil {
		return usageError{fmt.Errorf("unknown command: %s (for a port: porttrace --port %s)", name, name)}
	}
	return usageError{fmt.Errorf("unknown command: %s (see porttrace --help)", quoted(name))}
}

// quoted returns s as it is where that is clear, else in quotes.
func quoted(s string) string {
	if s == "" || strings.ContainsFunc(s, unicode.IsSpace) {
		return strconv.Quote(s)
	}
	return s
}

// usageError is a command line that cannot be carried out.
type usageError struct{ error }

func (u usageError) Unwrap() error { return u.error }

// errAnswered says that the command line asked for help or the version, and got it.
var errAnswered = errors.New("answered")

// secondSignal is the signal that ends the program at once.
type secondSignal struct{ os.Signal }

func (s secondSignal) Error() string { return s.Signal.String() }

// exitStatus is the only place where a status is decided.
func exitStatus(err error) int {
	var usage usageError
	var signal secondSignal
	var check checked
	switch {
	case err == nil, errors.Is(err, errAnswered):
		return 0
	case errors.As(err, &signal):
		number, _ := signal.Signal.(syscall.Signal)
		return 128 + int(number)
	case errors.As(err, &check): // also of usage: 2 would be critical
		return int(check.level)
	case errors.As(err, &usage):
		return 2
	}
	return 1
}

// message returns what standard error is told, on one line; "" for nothing.
func message(err error) string {
	var signal secondSignal
	var check checked
	switch {
	case err == nil, errors.Is(err, errAnswered), errors.As(err, &check) && check.error == nil:
		return ""
	case errors.As(err, &signal):
		return "stopped at once by a second signal: the recording has no end"
	}
	return oneLine(err.Error())
}

// oneLine escapes what would break the line or reach the terminal as a control code.
func oneLine(s string) string {
	var b strings.Builder
	for _, r := range s {
		switch {
		case unicode.IsPrint(r):
			b.WriteRune(r)
		case r == '\n': // errors.Join
			b.WriteString("; ")
		default:
			q := strconv.QuoteRune(r)
			b.WriteString(q[1 : len(q)-1])
		}
	}
	return b.String()
}
