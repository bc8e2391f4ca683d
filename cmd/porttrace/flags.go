//go:build linux

package main

import (
	"errors"
	"fmt"
	"io"
	"strings"

	"github.com/spf13/pflag"

	"porttrace/internal/commandline"
)

// flagSet is the flags of one command, in the groups of its help.
type flagSet struct {
	command  string // "" for the tracer
	about    string // the first paragraph of the help
	operands string // what follows the flags, as the usage names it; "" for nothing
	takes    commandline.Kind
	words    []string // what operands may be, for takes Words
	rootless bool     // it needs no root
	examples []example
	all      *pflag.FlagSet
	groups   []flagGroup
	help     bool
}

type flagGroup struct {
	title string
	flags *pflag.FlagSet
}

// example is a command line, without "porttrace", and what it is good for.
type example struct{ line, what string }

func newFlagSet(command, about string, examples ...example) *flagSet {
	return &flagSet{command: command, about: about, examples: examples, all: newPflagSet()}
}

func newPflagSet() *pflag.FlagSet {
	flags := pflag.NewFlagSet("", pflag.ContinueOnError)
	flags.SortFlags = false
	flags.SetOutput(io.Discard)
	flags.Usage = func() {}
	return flags
}

// group adds a titled group for flags to be defined in.
func (f *flagSet) group(title string) *pflag.FlagSet {
	flags := newPflagSet()
	f.groups = append(f.groups, flagGroup{title, flags})
	return flags
}

// close adds, after all other flags, those that each command has.
func (f *flagSet) close() {
	general := f.groups[len(f.groups)-1].flags
	general.BoolVarP(&f.help, "help", "h", false, "this help")
	for _, g := range f.groups {
		f.all.AddFlagSet(g.flags)
	}
}

// parse sets the flags from the arguments of e. When the help was asked for it writes
// it and returns errAnswered.
func (f *flagSet) parse(e *env) error {
	f.close()
	// pflag skips go test's own flags, which are unknown here.
	for _, arg := range e.args {
		if strings.HasPrefix(arg, "-test.") {
			return f.unknown("flag", arg)
		}
	}
	if err := f.all.Parse(e.args); err != nil {
		return f.explain(err)
	}
	if f.help {
		return writeLast(e, f.usage())
	}
	if f.all.NArg() == 0 || f.operands != "" {
		return nil
	}
	arg := f.all.Arg(0)
	for _, c := range commands() {
		if c.name == arg && arg != "" {
			return usageError{fmt.Errorf("the command comes first: porttrace %s (see %s --help)", arg, f.program())}
		}
	}
	return f.unknown("argument", quoted(arg))
}

// writeLast writes all that the command has to say.
func writeLast(e *env, text string) error {
	if _, err := io.WriteString(e.stdout, text); err != nil {
		return fmt.Errorf("writing to standard output: %w", err)
	}
	return errAnswered
}

// program returns how the command is called.
func (f *flagSet) program() string { return strings.TrimSpace("porttrace " + f.command) }

func (f *flagSet) unknown(what, arg string) error {
	return usageError{fmt.Errorf("unknown %s: %s (see %s --help)", what, arg, f.program())}
}

// explain puts what pflag found wrong in our own words.
func (f *flagSet) explain(err error) error {
	var (
		unknown *pflag.NotExistError
		missing *pflag.ValueRequiredError
		invalid *pflag.InvalidValueError
	)
	switch {
	case errors.As(err, &unknown):
		return f.unknown("flag", dashed(unknown.GetSpecifiedName()))
	case errors.As(err, &missing):
		name := dashed(missing.GetSpecifiedName())
		return usageError{fmt.Errorf("%s needs a value: %s %s (see %s --help)",
			name, name, missing.GetFlag().Value.Type(), f.program())}
	case errors.As(err, &invalid):
		flag := invalid.GetFlag()
		if flag.Value.Type() == "bool" {
			return usageError{fmt.Errorf("%s takes no value: leave out %q", dashed(flag.Name), invalid.GetValue())}
		}
		return usageError{fmt.Errorf("%s: %w", dashed(flag.Name), invalid.Unwrap())}
	}
	return usageError{fmt.Errorf("%w (see %s --help)", err, f.program())}
}

// dashed returns a flag's name as it is typed.
func dashed(name string) string {
	if len(name) == 1 {
		return "-" + name
	}
	return "--" + name
}
