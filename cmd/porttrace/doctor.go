//go:build linux

package main

import (
	"errors"
	"fmt"

	"porttrace/internal/confine"
	"porttrace/internal/probe"
)

const doctorAbout = `porttrace doctor tells what this kernel and these privileges allow, and why:
	whether the hooks load, which set the tracer would take, and what to change where
	something is refused. It changes nothing.`

func doctorFlags() *flagSet {
	flags := newFlagSet("doctor", doctorAbout,
		example{"doctor", "before the first trace on a host, or after one was refused"})
	flags.group("Flags")
	return flags
}

func doctor(e *env) error {
	if err := doctorFlags().parse(e); err != nil {
		return err
	}
	return runDoctor(e)
}

// runDoctor prints what was found, a line each, and ends with the verdict. Its error is
// the verdict where tracing will not work.
func runDoctor(e *env) error {
	found := append(probe.Diagnose(), confinement())
	for _, c := range found {
		if err := writeCheck(e, c); err != nil {
			return err
		}
	}
	fentry, stable := found.Works(probe.Fentry), found.Works(probe.Stable)
	switch {
	case fentry && stable:
		return writeLast(e, "\nBoth hook sets work here; porttrace takes the exact one, fentry.\n")
	case fentry:
		return writeLast(e, "\nThe fentry hook set works here, the stable one does not; porttrace takes fentry, which is exact.\n")
	case stable:
		return writeLast(e, "\nThe stable hook set works here, the fentry one does not; porttrace takes stable (the manual, porttrace man, says what it cannot see).\n")
	}
	if err := probe.Preflight(probe.Auto); err != nil {
		return err
	}
	return errors.New("tracing does not work here: see the lines marked NO")
}

// confinement tells what keeps the running tracer in its place besides its capabilities.
func confinement() probe.Check {
	c := probe.Check{Name: "confinement", Detail: fmt.Sprintf("seccomp, and Landlock version %d", confine.ABI())}
	if confine.ABI() == 0 {
		c.Err, c.Minor = errors.New("seccomp, but no Landlock"), true
		c.Advice = "the thread that makes the recording's files is not kept to its folder: take Linux 5.13, with landlock in its lsm= list"
	}
	return c
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
