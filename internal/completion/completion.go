// Package completion writes scripts that let bash, zsh and fish complete a command line:
// commands, flags, and values where they can be listed. The scripts are whole: they do
// not run the program.
package completion

import (
	"fmt"
	"io"
	"strings"

	"porttrace/internal/commandline"
)

// Shells are those that there are scripts for.
var Shells = []string{"bash", "zsh", "fish"}

// Write writes the script for one of Shells.
func Write(w io.Writer, shell string, p *commandline.Program) error {
	var b strings.Builder
	fmt.Fprintf(&b, "# %s completion for %s, made by: %s completion %s\n\n", shell, p.Name, p.Name, shell)
	switch shell {
	case "bash":
		writeBash(&b, p)
	case "zsh":
		text := b.String()
		b.Reset()
		b.WriteString("#compdef " + p.Name + "\n" + text) // zsh reads it in the first line only
		writeZsh(&b, p)
	case "fish":
		writeFish(&b, p)
	default:
		return fmt.Errorf("%q: want %s", shell, strings.Join(Shells, " or "))
	}
	if _, err := io.WriteString(w, b.String()); err != nil {
		return fmt.Errorf("writing the completion: %w", err)
	}
	return nil
}

// offered are the commands that the program's work is.
func offered(p *commandline.Program) []commandline.Command {
	var out []commandline.Command
	for _, c := range p.Commands {
		if c.Name != "" && !c.Aside {
			out = append(out, c)
		}
	}
	return out
}

// quote returns s in single quotes, as bash and zsh read them.
func quote(s string) string { return "'" + strings.ReplaceAll(s, "'", `'\''`) + "'" }
