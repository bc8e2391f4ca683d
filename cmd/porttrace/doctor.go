//go:build linux

package main

import (
	"errors"
	"fmt"

	"porttrace/internal/probe"
)

const doctorAbout = `porttrace doctor tells what this kernel and these privileges allow, and why:
	whether the hooks load, which set the tracer would take, and what to change where
	something is refused. It changes nothing.`

func doctor(e *env) error {
	flags := newFlagSet("doctor", doctorAbout,
		example{"doctor", "before the first trace on a host, or after one was refused"})
	flags.group("Flags")
	if err := flags.parse(e); err != nil {
		return err
	}
	return runDoctor(e)
}

// runDoctor prints what was found, a line each, and ends with the verdict. Its error is
// the verdict where tracing will not work.
func runDoctor(e *env) error {
	checks, works := probe.Diagnose()
	for _, c := range checks {
		if err := writeCheck(e, c); err != nil {
			return err
		}
	}
	if !works {
		if err := probe.Preflight(); err != nil {
			return err
		}
		return errors.New("tracing does not work here: see the lines marked NO")
	}
	return writeLast(e, "\nThe stable hook set works: porttrace can trace here.\n")
}

func writeCheck(e *env, c probe.Check) error {
	mark := "ok"
	text := c.Detail
	if c.Err != nil {
		mark = "NO"
		if c.Minor {
			mark = "so"
		}
		text = c.Err.Error()
		if c.Advice != "" {
			text += "; " + c.Advice
		}
	}
	_, err := fmt.Fprintf(e.stdout, "%-3s %-26s %s\n", mark, c.Name, oneLine(text))
	return err
}
