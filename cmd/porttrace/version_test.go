//go:build linux

package main

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"runtime/debug"
	"strings"
	"testing"

	"porttrace/internal/testutil/need"
)

// stamp sets what the linker would.
func stamp(t *testing.T, v, c, d string) {
	t.Helper()
	before := [...]string{version, commit, date}
	t.Cleanup(func() { version, commit, date = before[0], before[1], before[2] })
	version, commit, date = v, c, d
}

func TestVersion(t *testing.T) {
	stamp(t, "v1.2.3", "2f9c0de", "1764000000")
	e, stdout, stderr := testEnv("--version")
	if status := run(e); status != 0 || stderr.Len() > 0 {
		t.Errorf("exit status %d: %s", status, stderr)
	}
	want := regexp.MustCompile(`^porttrace v1\.2\.3 linux/\w+ go\S+ commit 2f9c0de of 2025-11-24T16:00:00Z\n$`)
	if !want.MatchString(stdout.String()) {
		t.Errorf("--version prints %q", stdout)
	}
	stamp(t, "", "", "")
	if versionName() == "" {
		t.Error("a build without a version has no name")
	}
}

func TestVersionFromBuildInfo(t *testing.T) {
	info := &debug.BuildInfo{Main: debug.Module{Version: "v1.2.4-0.20251124160000-2f9c0de00000+dirty"}, Settings: []debug.BuildSetting{
		{Key: "vcs.revision", Value: "2f9c0de"}, {Key: "vcs.time", Value: "2025-11-24T17:00:00+01:00"}, {Key: "vcs.modified", Value: "true"},
	}}
	var b build
	b.fill(info)
	if got := fmt.Sprintf("%s %s %v %s", b.version, b.commit, b.changed, b.date); got != "v1.2.4-0.20251124160000-2f9c0de00000+dirty 2f9c0de true 2025-11-24 16:00:00 +0000 UTC" {
		t.Errorf("the go command's notes read as %s", got)
	}
	b = build{version: "v2", commit: "abc"}
	b.fill(info)
	if b.version != "v2" || b.commit != "abc" || b.changed || !b.date.IsZero() {
		t.Errorf("notes about another commit were mixed in: %v", b)
	}
}

// A plain go build in a repository knows its commit without being told.
func TestVersionOfPlainBuild(t *testing.T) {
	_, err := exec.LookPath("git")
	need.That(t, err == nil, "git (Debian package git)")
	dir := t.TempDir()
	in := func(name string, args ...string) string {
		t.Helper()
		cmd := exec.Command(name, args...)
		cmd.Dir = dir
		cmd.Env = append(os.Environ(), "GIT_CONFIG_GLOBAL=/dev/null", "GIT_CONFIG_SYSTEM=/dev/null",
			"GIT_COMMITTER_DATE=2025-11-24T17:00:00+01:00", "GIT_COMMITTER_NAME=a", "GIT_COMMITTER_EMAIL=b",
			"GIT_AUTHOR_NAME=a", "GIT_AUTHOR_EMAIL=b", "GOFLAGS=")
		out, err := cmd.CombinedOutput()
		if err != nil {
			t.Fatalf("%s %s: %v: %s", name, strings.Join(args, " "), err, out)
		}
		return strings.TrimSpace(string(out))
	}
	for _, name := range []string{"go.mod", "go.sum", "cmd", "internal"} {
		in("cp", "-R", absolute(t, filepath.Join("../..", name)), dir)
	}
	in("git", "init", "-q")
	in("git", "add", ".")
	in("git", "commit", "-q", "-m", "all of it")
	in("go", "build", "-trimpath", "-buildvcs=true", "-o", "bin/porttrace", "./cmd/porttrace")
	got, want := in("bin/porttrace", "--version"), " commit "+in("git", "rev-parse", "HEAD")+" of 2025-11-24T16:00:00Z"
	if !strings.HasSuffix(got, want) {
		t.Errorf("--version prints %q, which does not end in %q", got, want)
	}
}

func absolute(t *testing.T, name string) string {
	t.Helper()
	path, err := filepath.Abs(name)
	if err != nil {
		t.Fatal(err)
	}
	return path
}
