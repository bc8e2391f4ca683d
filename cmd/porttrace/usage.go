//go:build linux

package main

import (
	"fmt"
	"strings"
	"unicode/utf8"

	"github.com/spf13/pflag"
)

// usageWidth is the width of help texts, for terminals and pipes alike.
const usageWidth = 80

// usage returns the help of the command.
func (f *flagSet) usage() string {
	var b strings.Builder
	b.WriteString(wrap(f.about, 0))
	b.WriteString("\n\nUsage:\n")
	if f.command == "" {
		b.WriteString(commandList())
	} else {
		fmt.Fprintf(&b, "  %s\n", strings.TrimSpace(f.program()+" [flags] "+f.operands))
	}
	column := f.column()
	for _, g := range f.groups {
		fmt.Fprintf(&b, "\n%s:\n", g.title)
		g.flags.VisitAll(func(flag *pflag.Flag) { writeRow(&b, flagName(flag), flagHelp(flag), column) })
	}
	if len(f.examples) > 0 {
		b.WriteString("\nExamples:\n")
	}
	for _, x := range f.examples {
		fmt.Fprintf(&b, "  %s\n      %s\n", f.call(x), wrap(x.what, 6))
	}
	if f.command == "" {
		b.WriteString("\nporttrace COMMAND --help tells more about a command, porttrace man everything.\n" +
			"porttrace completion bash, zsh or fish lets that shell complete all of this.\n")
	}
	return b.String()
}

// call returns an example as it is typed.
func (f *flagSet) call(x example) string {
	program := "sudo porttrace "
	if f.rootless {
		program = "porttrace "
	}
	return strings.TrimSpace(program + x.line)
}

func commandList() string {
	var b strings.Builder
	for _, c := range commands() {
		if c.aside {
			continue
		}
		writeRow(&b, strings.TrimSpace("porttrace "+c.name)+" [flags]", c.help, 28)
	}
	return b.String()
}

// column returns where the help of the flags begins: after the longest name, unless
// that leaves too little.
func (f *flagSet) column() int {
	width := 0
	f.all.VisitAll(func(flag *pflag.Flag) { width = max(width, len(flagName(flag))) })
	return min(2+width+2, 30)
}

// writeRow writes name and help in two columns; a long name has a line of its own.
func writeRow(b *strings.Builder, name, help string, column int) {
	fmt.Fprintf(b, "  %-*s", column-2, name)
	if 2+len(name) >= column {
		b.WriteString("\n" + strings.Repeat(" ", column))
	}
	b.WriteString(wrap(help, column) + "\n")
}

// flagName returns "-p, --port LIST".
func flagName(flag *pflag.Flag) string {
	name := "    --" + flag.Name
	switch {
	case len(flag.Name) == 1: // -4 and -6 have no long name
		name = "-" + flag.Name
	case flag.Shorthand != "":
		name = "-" + flag.Shorthand + ", --" + flag.Name
	}
	if kind := flag.Value.Type(); kind != "bool" {
		name += " " + kind
	}
	return name
}

func flagHelp(flag *pflag.Flag) string {
	if flag.DefValue == "" || flag.DefValue == "false" {
		return flag.Usage
	}
	return fmt.Sprintf("%s (default %s)", flag.Usage, flag.DefValue)
}

// wrap breaks text into lines that end before usageWidth, all but the first indented.
func wrap(text string, indent int) string {
	var b strings.Builder
	column := indent
	for i, word := range strings.Fields(text) {
		width := utf8.RuneCountInString(word)
		switch {
		case i == 0:
		case column+1+width > usageWidth:
			b.WriteString("\n" + strings.Repeat(" ", indent))
			column = indent
		default:
			b.WriteByte(' ')
			column++
		}
		b.WriteString(word)
		column += width
	}
	return b.String()
}
