package completion

import (
	"fmt"
	"strings"

	"porttrace/internal/commandline"
)

// fishHead tells which command is being typed.
const fishHead = `function __NAME_in --argument-names command
	set -l words (commandline -opc)
	set -l is ''
	if set -q words[2]; and not string match -q -- '-*' $words[2]
		set is $words[2]
	end
	test "$is" = "$command"
end

complete -c NAME -f
`

func writeFish(b *strings.Builder, p *commandline.Program) {
	b.WriteString(strings.ReplaceAll(fishHead, "NAME", p.Name))
	for _, c := range offered(p) {
		fmt.Fprintf(b, "complete -c %s -n 'test (count (commandline -opc)) = 1' -a %s -d %s\n", p.Name, c.Name, fishQuote(c.Summary))
	}
	for i := range p.Commands {
		c := &p.Commands[i]
		head := fmt.Sprintf("complete -c %s -n \"__%s_in '%s'\"", p.Name, p.Name, c.Name)
		switch c.Takes {
		case commandline.File:
			fmt.Fprintf(b, "%s -F\n", head)
		case commandline.Words:
			fmt.Fprintf(b, "%s -a %s\n", head, fishQuote(strings.Join(c.Words, " ")))
		}
		for _, f := range c.Flags() {
			b.WriteString(head)
			if f.Short != "" {
				b.WriteString(" -s " + f.Short)
			}
			if f.Long != "" {
				b.WriteString(" -l " + f.Long)
			}
			fmt.Fprintf(b, "%s -d %s\n", fishValue(&f), fishQuote(brief(f.Help)))
		}
	}
}

// brief is a description's first clause: fish shows it beside each value, too.
func brief(help string) string {
	first, _, _ := strings.Cut(help, ";")
	return first
}

// fishValue returns the options of complete that say what a flag's value is.
func fishValue(f *commandline.Flag) string {
	words := ""
	switch f.Takes {
	case commandline.Words:
		words = strings.Join(f.Words, " ")
	case commandline.Process:
		words = "(__fish_complete_pids)"
	case commandline.User:
		words = "(__fish_complete_users)"
	case commandline.Netns:
		return " -r -F -a '(command ls /run/netns 2>/dev/null)'"
	case commandline.File:
		return " -r -F"
	default:
		if f.Value == "" {
			return ""
		}
		return " -x"
	}
	if f.List {
		words = "(__fish_append , " + words + ")"
	}
	return " -x -a " + fishQuote(words)
}

// fishQuote returns s in single quotes.
func fishQuote(s string) string {
	return "'" + strings.NewReplacer(`\`, `\\`, "'", `\'`).Replace(s) + "'"
}
