//go:build linux

package main

import (
	"errors"
	"fmt"
	"slices"
	"strings"

	"porttrace/internal/commandline"
	"porttrace/internal/completion"
)

const completionAbout = `porttrace completion prints a script that lets a shell complete porttrace's command
	lines. Packages install it; else let the shell's start-up file read it.`

func completionFlags() *flagSet {
	flags := newFlagSet("completion", completionAbout,
		example{"completion bash >> ~/.bash_completion", "for bash with the package bash-completion"},
		example{"completion zsh > ~/.zfunc/_porttrace", "for zsh with ~/.zfunc in $fpath"},
		example{"completion fish > ~/.config/fish/completions/porttrace.fish", "for fish"})
	flags.operands, flags.rootless = strings.Join(completion.Shells, "|"), true
	flags.takes, flags.words = commandline.Words, completion.Shells
	flags.group("Flags")
	return flags
}

func printCompletion(e *env) error {
	flags := completionFlags()
	if err := flags.parse(e); err != nil {
		return err
	}
	switch args := flags.all.Args(); {
	case len(args) == 0:
		return usageError{errors.New("for which shell? porttrace completion " + flags.operands)}
	case len(args) > 1:
		return flags.unknown("argument", quoted(args[1]))
	case !slices.Contains(completion.Shells, args[0]):
		return usageError{fmt.Errorf("%q: want %s", args[0], strings.Join(completion.Shells, " or "))}
	default:
		return completion.Write(e.stdout, args[0], described())
	}
}
