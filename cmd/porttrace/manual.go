//go:build linux

package main

import "porttrace/internal/manual"

const manualAbout = `porttrace man prints porttrace(1), the manual page with every command, flag, column,
	record and exit status, in the mdoc language of man(1).`

func manualFlags() *flagSet {
	flags := newFlagSet("man", manualAbout, example{"man | man -l -", "read it without installing it"})
	flags.rootless = true
	flags.group("Flags")
	return flags
}

func printManual(e *env) error {
	if err := manualFlags().parse(e); err != nil {
		return err
	}
	return manual.Write(e.stdout, described())
}
