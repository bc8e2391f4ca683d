//go:build linux

package main

import (
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"porttrace/internal/commandline"
	"porttrace/internal/testutil/need"
)

// What a shell can list has to be told to it: a help text that reads a|b lists words.
func TestChoicesAreListed(t *testing.T) {
	for _, c := range described().Commands {
		for _, f := range c.Flags() {
			if f.Help == "" {
				t.Errorf("porttrace %s: %s has no help", c.Name, f.Names())
			}
			isChoice := strings.Contains(f.Value, "|") && strings.ToLower(f.Value) == f.Value
			if isChoice && !slices.Equal(f.Words, strings.Split(f.Value, "|")) {
				t.Errorf("porttrace %s: %s takes %s, and shells are told %q", c.Name, f.Names(), f.Value, f.Words)
			}
			if f.Value == "FILE" && f.Takes != commandline.File {
				t.Errorf("porttrace %s: shells are not told that %s takes a file", c.Name, f.Names())
			}
		}
	}
}

// internal/completion knows what the shells make of the scripts; here it is that
// porttrace's own are without an error, and complete.
func TestCompletionScripts(t *testing.T) {
	ask := map[string][]string{
		"bash": {"bash", "--norc", "--noprofile", "-c", `set -e; source "$0"; COMP_WORDS=(porttrace --); COMP_CWORD=1; _porttrace 2>&1; echo "${COMPREPLY[@]}"`},
		"zsh":  {"zsh", "-f", "-c", `autoload -Uz compinit && compinit -u -D && source "$0" && whence -f _porttrace`},
		"fish": {"fish", "--no-config", "-c", `source $argv[1]; complete -C 'porttrace --'`},
	}
	for _, shell := range described().Commands[len(commands())-1].Words {
		t.Run(shell, func(t *testing.T) {
			e, stdout, stderr := testEnv("completion", shell)
			if status := run(e); status != 0 || stderr.Len() > 0 {
				t.Fatalf("exit status %d: %s", status, stderr)
			}
			args := ask[shell]
			_, err := exec.LookPath(args[0])
			need.That(t, err == nil, shell+" (Debian package "+shell+")")
			script := filepath.Join(t.TempDir(), "script")
			if err := os.WriteFile(script, stdout.Bytes(), 0o644); err != nil {
				t.Fatal(err)
			}
			out, err := exec.Command(args[0], append(args[1:], script)...).CombinedOutput()
			if err != nil {
				t.Fatalf("%s: %v: %s", shell, err, out)
			}
			for _, f := range described().Commands[0].Flags() {
				if f.Long != "" && !strings.Contains(string(out), "--"+f.Long) {
					t.Errorf("%s does not offer --%s", shell, f.Long)
				}
			}
		})
	}
}

func TestCompletionOfWhat(t *testing.T) {
	for args, want := range map[string]string{
		"completion":          "for which shell? porttrace completion bash|zsh|fish",
		"completion csh":      `"csh": want bash or zsh or fish`,
		"completion bash zsh": "unknown argument: zsh",
		"man 1":               "unknown argument: 1 (see porttrace man --help)",
	} {
		e, _, stderr := testEnv(strings.Fields(args)...)
		if status := run(e); status != 2 || !strings.Contains(stderr.String(), want) {
			t.Errorf("%s: exit status %d, %q, want %q", args, status, stderr, want)
		}
	}
}
