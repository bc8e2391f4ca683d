package completion

import (
	"fmt"
	"strings"

	"porttrace/internal/commandline"
)

// bashHead finds out what is being typed. readline breaks words at "=", so that
// --flag=value is three of them.
const bashHead = `_NAME_words() { # WORDS CUR: one of the words
	mapfile -t COMPREPLY < <(compgen -W "$1" -- "$2")
}

_NAME_list() { # WORDS CUR: several of them with commas
	local before=
	[[ $2 == *,* ]] && before=${2%,*},
	mapfile -t COMPREPLY < <(compgen -P "$before" -W "$1" -- "${2##*,}")
	compopt -o nospace 2>/dev/null
}

_NAME_files() { # CUR
	mapfile -t COMPREPLY < <(compgen -f -- "$1")
	compopt -o filenames 2>/dev/null
}

_NAME_netns() { # CUR
	mapfile -t COMPREPLY < <(compgen -W "$(command ls /run/netns 2>/dev/null)" -- "$1"; compgen -f -- "$1")
	compopt -o filenames 2>/dev/null
}

_NAME() {
	local cur=${COMP_WORDS[COMP_CWORD]} prev=${COMP_WORDS[COMP_CWORD - 1]} command=
	COMPREPLY=()
	if [[ $cur == = ]]; then
		cur=
	elif [[ $prev == = ]] && ((COMP_CWORD > 2)); then
		prev=${COMP_WORDS[COMP_CWORD - 2]}
	fi
	if ((COMP_CWORD > 1)) && [[ ${COMP_WORDS[1]} != -* ]]; then
		command=${COMP_WORDS[1]}
	fi
`

func writeBash(b *strings.Builder, p *commandline.Program) {
	b.WriteString(strings.ReplaceAll(bashHead, "NAME", p.Name))
	b.WriteString("\tcase \"$command $prev\" in\n")
	var unlisted []string
	for i := range p.Commands {
		c := &p.Commands[i]
		for _, f := range c.Flags() {
			if f.Value == "" {
				continue
			}
			var cases []string
			for _, name := range f.Names() {
				cases = append(cases, quote(c.Name+" "+name))
			}
			if f.Takes == commandline.Anything {
				unlisted = append(unlisted, cases...)
				continue
			}
			fmt.Fprintf(b, "\t%s) %s; return ;;\n", strings.Join(cases, " | "), bashValue(p.Name, &f))
		}
	}
	if len(unlisted) > 0 {
		fmt.Fprintf(b, "\t%s) return ;;\n", strings.Join(unlisted, " | "))
	}
	b.WriteString("\tesac\n\tcase $command in\n")
	for i := range p.Commands {
		writeBashWords(b, p, &p.Commands[i])
	}
	fmt.Fprintf(b, "\tesac\n}\n\ncomplete -F _%s %s\n", p.Name, p.Name)
}

// bashValue returns the call that completes the value of a flag that takes something.
func bashValue(name string, f *commandline.Flag) string {
	function, words := "words", ""
	if f.List {
		function = "list"
	}
	switch f.Takes {
	case commandline.Words:
		words = quote(strings.Join(f.Words, " "))
	case commandline.Process:
		words = `"$(cd /proc && echo [0-9]*)"`
	case commandline.User:
		words = `"$(compgen -u)"`
	case commandline.File:
		return fmt.Sprintf(`_%s_files "$cur"`, name)
	case commandline.Netns:
		return fmt.Sprintf(`_%s_netns "$cur"`, name)
	}
	return fmt.Sprintf(`_%s_%s %s "$cur"`, name, function, words)
}

// writeBashWords writes what stands where no flag waits for its value: a command, an
// operand, or else a flag.
func writeBashWords(b *strings.Builder, p *commandline.Program, c *commandline.Command) {
	var flags []string
	for _, f := range c.Flags() {
		flags = append(flags, f.Names()...)
	}
	words := func(list []string) string {
		return fmt.Sprintf(`_%s_words %s "$cur"`, p.Name, quote(strings.Join(list, " ")))
	}
	condition, operand := "$cur != -*", ""
	switch {
	case c.Name == "":
		var names []string
		for _, c := range offered(p) {
			names = append(names, c.Name)
		}
		condition, operand = "$cur != -* && $COMP_CWORD == 1", words(names)
	case c.Takes == commandline.File:
		operand = fmt.Sprintf(`_%s_files "$cur"`, p.Name)
	case c.Takes == commandline.Words:
		operand = words(c.Words)
	}
	fmt.Fprintf(b, "\t%s) ", quote(c.Name))
	if operand != "" {
		fmt.Fprintf(b, "if [[ %s ]]; then %s; return; fi\n\t\t", condition, operand)
	}
	fmt.Fprintf(b, "%s ;;\n", words(flags))
}
