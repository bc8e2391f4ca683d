//go:build linux

package completion_test

import (
	"bytes"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"porttrace/internal/commandline"
	"porttrace/internal/completion"
	"porttrace/internal/testutil/need"
)

// program has one of everything, with texts that shells could take amiss.
func program() *commandline.Program {
	return &commandline.Program{Name: "prog", Commands: []commandline.Command{
		{Groups: []commandline.Group{{Title: "Flags", Flags: []commandline.Flag{
			{Long: "port", Short: "p", Value: "LIST", List: true, Repeats: true, Help: `it's "a" $HOME port: [1] \ %s`},
			{Short: "4", Help: "only IPv4"},
			{Long: "mode", Value: "fast|slow", Takes: commandline.Words, Words: []string{"fast", "slow"}, Help: "mode"},
			{Long: "proto", Value: "LIST", List: true, Repeats: true, Takes: commandline.Words, Words: []string{"tcp", "udp"}},
			{Long: "columns", Value: "LIST", List: true, Repeats: true, Takes: commandline.Words, Words: []string{"port", "pod", "+port", "+pod"}},
			{Long: "output", Short: "o", Value: "FILE", Takes: commandline.File, Help: "a file"},
			{Long: "netns", Value: "PID|PATH", Takes: commandline.Netns, Help: "a namespace"},
			{Long: "pid", Value: "LIST", List: true, Takes: commandline.Process, Help: "processes"},
			{Long: "uid", Value: "LIST", List: true, Takes: commandline.User, Help: "users"},
		}}}},
		{Name: "read", Summary: "read what's there", Operands: "FILE...", Takes: commandline.File,
			Groups: []commandline.Group{{Flags: []commandline.Flag{{Long: "mode", Value: "a|b", Takes: commandline.Words, Words: []string{"a", "b"}}}}}},
		{Name: "look", Summary: "look: once"},
		{Name: "help-out", Summary: "aside", Operands: "x|y", Takes: commandline.Words, Words: []string{"x", "y"}, Aside: true},
	}}
}

// cases are lines and what is offered at their ends; "..." is among other things.
var cases = []struct {
	line string
	want string
}{
	{"prog ", "look read"},
	{"prog re", "read"},
	{"prog help-out ", "x y"},
	{"prog --mo", "--mode"},
	{"prog -", "--columns --mode --output --pid --port --proto --uid -4 ..."},
	{"prog --mode ", "fast slow"},
	{"prog --mode s", "slow"},
	{"prog --mode=", "fast slow"},
	{"prog -4 --mode f", "fast"},
	{"prog --proto ", "tcp udp"},
	{"prog --proto tcp,u", "udp"},
	{"prog --columns po", "pod port"},
	{"prog --columns +po", "+pod +port"},
	{"prog --columns +port,+pod", "+pod"},
	{"prog -p ", ""},
	{"prog --port 1 --mode ", "fast slow"},
	{"prog --output da", "data.jsonl"},
	{"prog -o da", "data.jsonl"},
	{"prog --netns da", "data.jsonl"},
	{"prog --uid roo", "root"},
	{"prog --uid 0,roo", "root"},
	{"prog --pid ", "1 ..."},
	{"prog read ", "data.jsonl other"},
	{"prog read --mode ", "a b"},
	{"prog read --mode a ", "data.jsonl other"},
	{"prog read other da", "data.jsonl"},
	{"prog look --mo", ""},
}

// check compares what each line brings. Some shells show a value with what stands before
// it in the word.
func check(t *testing.T, words func(line string) []string) {
	t.Helper()
	for _, tc := range cases {
		got := words(tc.line)
		for i := range got {
			got[i] = got[i][strings.LastIndexAny(got[i], ",=")+1:]
		}
		slices.Sort(got)
		want := strings.Fields(tc.want)
		if list, found := strings.CutSuffix(tc.want, "..."); found {
			for _, word := range strings.Fields(list) {
				if !slices.Contains(got, word) {
					t.Errorf("%q: %q is not offered: %q", tc.line, word, got)
				}
			}
			continue
		}
		if !slices.Equal(got, want) {
			t.Errorf("%q brings %q, want %q", tc.line, got, want)
		}
	}
}

// folder has the script and some files to name.
func folder(t *testing.T, shell, name string) string {
	t.Helper()
	dir := t.TempDir()
	var script bytes.Buffer
	if err := completion.Write(&script, shell, program()); err != nil {
		t.Fatal(err)
	}
	// The script is elsewhere, so that it is no file to be offered.
	path := filepath.Join(t.TempDir(), name)
	for _, f := range []string{path, filepath.Join(dir, "data.jsonl"), filepath.Join(dir, "other")} {
		if err := os.WriteFile(f, script.Bytes(), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	t.Setenv("SCRIPT", path)
	return dir
}

// Each line has a shell of its own: what readline lists depends on what it listed before.
func TestBash(t *testing.T) {
	dir := folder(t, "bash", "prog")
	check(t, func(line string) []string {
		s := start(t, dir, "bash", "--norc", "--noprofile", "-i")
		defer s.end()
		s.run("source " + os.Getenv("SCRIPT"))
		var settings strings.Builder
		for _, setting := range []string{`"\t": possible-completions`, "set completion-query-items 0", "set page-completions off",
			"set completion-display-width 0", "set enable-bracketed-paste off", "set bell-style none"} {
			settings.WriteString("bind '" + setting + "'; ")
		}
		s.run(settings.String() + `bind -x '"\C-g": echo DONE'`)
		return s.words(line)
	})
}

func TestZsh(t *testing.T) {
	for _, way := range []string{"sourced", "autoloaded"} {
		t.Run(way, func(t *testing.T) {
			s := start(t, folder(t, "zsh", "_prog"), "zsh", "-f", "-i")
			script := os.Getenv("SCRIPT")
			if way == "autoloaded" {
				s.run("fpath=(" + filepath.Dir(script) + " $fpath)")
			}
			s.run("unsetopt zle_bracketed_paste prompt_sp beep; unset zle_bracketed_paste; LISTMAX=100000")
			s.run("autoload -Uz compinit && compinit -u -D")
			if way == "sourced" {
				s.run("source " + script)
			}
			s.run("zstyle ':completion:*' verbose no; bindkey '^I' list-choices")
			s.run("finish() { zle -I; print DONE }; zle -N finish; bindkey '^G' finish")
			check(t, s.words)
		})
	}
}

func TestFish(t *testing.T) {
	_, err := exec.LookPath("fish")
	need.That(t, err == nil, "fish (Debian package fish)")
	dir := folder(t, "fish", "prog.fish")
	var b strings.Builder
	b.WriteString("source $SCRIPT\n")
	for _, tc := range cases {
		b.WriteString("echo ==; complete -C '" + tc.line + "'\n")
	}
	cmd := exec.Command("fish", "--no-config", "-c", b.String())
	cmd.Dir = dir
	cmd.Env = append(os.Environ(), "HOME="+dir)
	var stderr bytes.Buffer
	cmd.Stderr = &stderr
	out, err := cmd.Output()
	if err != nil || stderr.Len() > 0 {
		t.Fatalf("fish: %v: %s", err, &stderr)
	}
	parts := strings.Split(string(out), "==\n")[1:]
	check(t, func(string) []string {
		var words []string
		for line := range strings.Lines(parts[0]) {
			word, _, _ := strings.Cut(strings.TrimSpace(line), "\t")
			words = append(words, word)
		}
		parts = parts[1:]
		return words
	})
}

func TestUnknownShell(t *testing.T) {
	if err := completion.Write(new(bytes.Buffer), "csh", program()); err == nil || !strings.Contains(err.Error(), "bash or zsh or fish") {
		t.Errorf("csh: %v", err)
	}
}
