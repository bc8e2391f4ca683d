//go:build linux

package main

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"porttrace/internal/testutil/need"
)

func manualPage(t *testing.T) (path, text string) {
	t.Helper()
	e, stdout, stderr := testEnv("man")
	if status := run(e); status != 0 || stderr.Len() > 0 {
		t.Fatalf("exit status %d: %s", status, stderr)
	}
	path = filepath.Join(t.TempDir(), "porttrace.1")
	if err := os.WriteFile(path, stdout.Bytes(), 0o644); err != nil {
		t.Fatal(err)
	}
	return path, stdout.String()
}

func TestManualNamesEveryFlag(t *testing.T) {
	_, page := manualPage(t)
	for _, c := range described().Commands {
		_, section, found := strings.Cut(page, "\n.Ss "+strings.TrimRight("porttrace "+c.Name, " ")+"\n")
		if !found {
			t.Errorf("no section tells of %q", c.Name)
			continue
		}
		section, _, _ = strings.Cut(section, "\n.S")
		for _, f := range c.Flags() {
			for _, name := range f.Names() {
				if want := "Fl " + strings.ReplaceAll(name[1:], "-", `\-`); !strings.Contains(section, want) {
					t.Errorf("porttrace %s: %s is not in the manual", c.Name, name)
				}
			}
		}
	}
}

// TestManualRenders has the formatters that there are look for mistakes.
func TestManualRenders(t *testing.T) {
	path, _ := manualPage(t)
	for _, formatter := range [][]string{
		{"mandoc", "-T", "lint", "-W", "warning", path},
		{"groff", "-ww", "-mandoc", "-T", "utf8", "-z", path},
	} {
		t.Run(formatter[0], func(t *testing.T) {
			_, err := exec.LookPath(formatter[0])
			need.That(t, err == nil, formatter[0]+" (Debian packages mandoc, groff-base)")
			if out, err := exec.Command(formatter[0], formatter[1:]...).CombinedOutput(); err != nil || len(out) > 0 {
				t.Errorf("%s: %v: %s", strings.Join(formatter, " "), err, out)
			}
		})
	}
}
