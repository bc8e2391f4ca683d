package main

import (
	"os"
	"os/exec"
	"regexp"
	"slices"
	"strings"
	"testing"

	"porttrace/internal/privilege"
	"porttrace/internal/testutil/need"
)

// settings returns what the unit sets, each name with all its values.
func settings(t *testing.T) map[string][]string {
	t.Helper()
	text, err := os.ReadFile("porttrace.service")
	if err != nil {
		t.Fatal(err)
	}
	set := map[string][]string{}
	for line := range strings.Lines(string(text)) {
		name, value, ok := strings.Cut(strings.TrimSpace(line), "=")
		if ok && !strings.HasPrefix(name, "#") {
			set[name] = append(set[name], strings.Fields(value)...)
		}
	}
	return set
}

// The service is given what the table says, no more and no less.
func TestServiceHasTheCapabilitiesOfTheTable(t *testing.T) {
	var want []string
	for _, c := range privilege.All {
		if !c.Root {
			want = append(want, c.Name)
		}
	}
	slices.Sort(want)
	set := settings(t)
	for _, name := range []string{"AmbientCapabilities", "CapabilityBoundingSet"} {
		if got := slices.Sorted(slices.Values(set[name])); !slices.Equal(got, want) {
			t.Errorf("%s is %v, want %v", name, got, want)
		}
	}
}

// score is how systemd-analyze sums up, and the README.
var score = regexp.MustCompile(`xposure level (?:for porttrace\.service: )?([0-9.]+) (OK|MEDIUM|EXPOSED|UNSAFE)`)

func TestExposureIsAsTheReadmeSays(t *testing.T) {
	analyze, err := exec.LookPath("systemd-analyze")
	need.That(t, err == nil, "systemd-analyze (Debian package systemd)")
	out, err := exec.Command(analyze, "security", "--offline=true", "--no-pager", "porttrace.service").CombinedOutput()
	if err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	readme, err := os.ReadFile("../../README.md")
	if err != nil {
		t.Fatal(err)
	}
	// Versions of systemd weigh a little differently; the word is the same.
	got, want := score.FindStringSubmatch(string(out)), score.FindStringSubmatch(string(readme))
	if got == nil || want == nil || got[2] != want[2] || got[1] > want[1] {
		t.Errorf("systemd-analyze says %q, the README %q", got, want)
	}
}

// The README names what is kept as the table does, and the setcap line.
func TestReadmeHasTheCapabilitiesOfTheTable(t *testing.T) {
	text, err := os.ReadFile("../../README.md")
	if err != nil {
		t.Fatal(err)
	}
	readme := string(text)
	if line := privilege.Setcap("/usr/local/bin/porttrace", true); !strings.Contains(readme, "\n"+line+"\n") {
		t.Errorf("it lacks the line %s", line)
	}
	for _, c := range privilege.All {
		row := "| `" + c.Name + "` | "
		if kept := c.Use&privilege.Looking != 0; strings.Contains(readme, row) != kept {
			t.Errorf("%s: has a row %t, is kept %t", c.Name, !kept, kept)
		}
	}
}
