package completion

import (
	"fmt"
	"strings"

	"porttrace/internal/commandline"
)

// zshHead lists what zsh has nothing for: its _pids are those of the terminal.
const zshHead = `_NAME_netns() {
	compadd - /run/netns/*(N:t)
	_files
}

_NAME_pids() {
	compadd "$@" - /proc/<->(N:t)
}

`

// zshTail lets the file be autoloaded from $fpath as well as sourced.
const zshTail = `
if [[ $funcstack[1] == _NAME ]]; then
	_NAME "$@"
else
	compdef _NAME NAME
fi
`

func writeZsh(b *strings.Builder, p *commandline.Program) {
	b.WriteString(strings.ReplaceAll(zshHead, "NAME", p.Name))
	fmt.Fprintf(b, "_%s() {\n\tlocal -a commands=(\n", p.Name)
	for _, c := range offered(p) {
		fmt.Fprintf(b, "\t\t%s\n", quote(c.Name+":"+c.Summary))
	}
	b.WriteString("\t)\n\tif ((CURRENT == 2)) && [[ $words[2] != -* ]]; then\n\t\t_describe -t commands command commands\n\t\treturn\n\tfi\n")
	b.WriteString("\tlocal command=\n\tif [[ $words[2] != -* ]]; then\n\t\tcommand=$words[2]\n\t\tshift words\n\t\t((CURRENT--))\n\tfi\n\tcase $command in\n")
	for i := range p.Commands {
		c := &p.Commands[i]
		fmt.Fprintf(b, "\t%s)\n\t\t_arguments -s", quote(c.Name))
		for _, f := range c.Flags() {
			writeZshFlag(b, p.Name, &f)
		}
		switch c.Takes {
		case commandline.File:
			b.WriteString(" \\\n\t\t\t'*:file:_files'")
		case commandline.Words:
			fmt.Fprintf(b, " \\\n\t\t\t%s", quote("1:"+zshEscape(c.Operands)+":("+strings.Join(c.Words, " ")+")"))
		}
		b.WriteString(" ;;\n")
	}
	b.WriteString("\tesac\n}\n")
	b.WriteString(strings.ReplaceAll(zshTail, "NAME", p.Name))
}

// writeZshFlag writes a specification of _arguments for each of the names, which exclude
// each other unless the flag may be given again.
func writeZshFlag(b *strings.Builder, name string, f *commandline.Flag) {
	names := f.Names()
	for _, n := range names {
		spec := "(" + strings.Join(names, " ") + ")"
		if f.Repeats {
			spec = "*"
		}
		spec += n
		switch {
		case f.Value == "":
		case strings.HasPrefix(n, "--"):
			spec += "="
		default:
			spec += "+"
		}
		spec += "[" + zshEscape(f.Help) + "]"
		if f.Value != "" {
			spec += ":" + zshEscape(f.Value) + ":" + zshValue(name, f)
		}
		fmt.Fprintf(b, " \\\n\t\t\t%s", quote(spec))
	}
}

// zshValue returns the action that completes a flag's value.
func zshValue(name string, f *commandline.Flag) string {
	action := ""
	switch f.Takes {
	case commandline.Words:
		if !f.List {
			return "(" + strings.Join(f.Words, " ") + ")"
		}
		action = "compadd - " + strings.Join(f.Words, " ")
	case commandline.Process:
		action = "_" + name + "_pids"
	case commandline.User:
		action = "_users"
	case commandline.File:
		return "_files"
	case commandline.Netns:
		return "_" + name + "_netns"
	default:
		return " "
	}
	if f.List {
		action = "_sequence " + action
	}
	return action
}

// zshEscape takes their meaning from the characters that part a specification.
func zshEscape(s string) string {
	return strings.NewReplacer(`\`, `\\`, "[", `\[`, "]", `\]`, ":", `\:`).Replace(s)
}
