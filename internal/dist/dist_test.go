package main

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"runtime"
	"strings"
	"sync"
	"testing"

	"porttrace/internal/testutil/need"
)

// What the tests' release is called.
const (
	testVersion    = "v1.2.3"
	testCommit     = "2f9c0de5a7b1c3d4e5f60718293a4b5c6d7e8f90"
	testDate       = "1764000000" // 2025-11-24T16:00:00Z
	testMaintainer = "The porttrace authors <porttrace@localhost>"
)

// scratch is a folder of the whole test run.
var scratch string

func TestMain(m *testing.M) {
	os.Exit(func() int {
		var err error
		if scratch, err = os.MkdirTemp("", "porttrace-dist-"); err != nil {
			fmt.Fprintln(os.Stderr, err)
			return 1
		}
		defer os.RemoveAll(scratch)
		return m.Run()
	}())
}

// tool is this program, built.
var tool = sync.OnceValues(func() (string, error) {
	path := filepath.Join(scratch, "dist")
	out, err := exec.Command("go", "build", "-o", path, ".").CombinedOutput()
	if err != nil {
		return "", fmt.Errorf("building dist: %w: %s", err, out)
	}
	return path, nil
})

// makeRelease makes a release of a copy of the source in a folder.
func makeRelease(source, dir, umask string, environment ...string) (output string, err error) {
	for _, name := range []string{"go.mod", "go.sum", "LICENSE", "README.md", "cmd", "internal"} {
		if err = os.MkdirAll(dir, 0o755); err != nil {
			return "", err
		}
		if out, err := exec.Command("cp", "-R", filepath.Join(source, name), dir).CombinedOutput(); err != nil {
			return "", fmt.Errorf("copying the source: %w: %s", err, out)
		}
	}
	program, err := tool()
	if err != nil {
		return "", err
	}
	cmd := exec.Command("sh", "-c", `umask `+umask+`; exec "$@"`, "sh", program, "-source", ".", "-output", "dist",
		"-version", testVersion, "-commit", testCommit, "-date", testDate, "-maintainer", testMaintainer)
	cmd.Dir = dir
	cmd.Env = append(os.Environ(), environment...)
	if out, err := cmd.CombinedOutput(); err != nil {
		return "", fmt.Errorf("making a release: %w: %s", err, out)
	}
	return filepath.Join(dir, "dist"), nil
}

// released is the release that the tests look at.
var released = sync.OnceValues(func() (string, error) { return makeRelease("../..", filepath.Join(scratch, "a"), "022") })

// file returns the path of one of its files.
func file(t *testing.T, rest string) string {
	t.Helper()
	dir, err := released()
	if err != nil {
		t.Fatal(err)
	}
	return filepath.Join(dir, "porttrace_1.2.3"+rest)
}

// said runs a program and returns what it prints.
func said(t *testing.T, name string, args ...string) string {
	t.Helper()
	var stderr bytes.Buffer
	cmd := exec.Command(name, args...)
	cmd.Stderr = &stderr
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("%s %s: %v: %s%s", name, strings.Join(args, " "), err, out, &stderr)
	}
	return string(out)
}

// needProgram skips the test where a program is not installed.
func needProgram(t *testing.T, name, debian string) {
	t.Helper()
	_, err := exec.LookPath(name)
	need.That(t, err == nil, name+" (Debian package "+debian+")")
}

// Another folder, a cache without anything in it, and other settings of the user.
func TestReproducible(t *testing.T) {
	t.Parallel()
	first, err := released()
	if err != nil {
		t.Fatal(err)
	}
	// Not of the source itself: somebody may be at work there.
	second, err := makeRelease(filepath.Join(scratch, "a"), filepath.Join(scratch, "another", "folder"), "077",
		"GOCACHE="+filepath.Join(scratch, "cache"), "TZ=Pacific/Kiritimati", "LC_ALL=C", "GOFLAGS=-tags=other", "GOAMD64=v3", "HOSTNAME=other")
	if err != nil {
		t.Fatal(err)
	}
	names := map[string]bool{}
	for _, dir := range []string{first, second} {
		entries, err := os.ReadDir(dir)
		if err != nil {
			t.Fatal(err)
		}
		for _, e := range entries {
			names[e.Name()] = true
		}
	}
	if len(names) != 12 {
		t.Errorf("a release has %d files", len(names))
	}
	for name := range names {
		a, errA := os.ReadFile(filepath.Join(first, name))
		b, errB := os.ReadFile(filepath.Join(second, name))
		if err := errors.Join(errA, errB); err != nil {
			t.Error(err)
		} else if !bytes.Equal(a, b) {
			t.Errorf("%s differs from build to build", name)
		}
	}
}

func TestSums(t *testing.T) {
	dir := filepath.Dir(file(t, ""))
	cmd := exec.Command("sha256sum", "--check", "--strict", "--quiet", sumsName)
	cmd.Dir = dir
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Errorf("sha256sum: %v: %s", err, out)
	}
	sums, err := os.ReadFile(filepath.Join(dir, sumsName))
	if err != nil {
		t.Fatal(err)
	}
	entries, err := os.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	if lines := bytes.Count(sums, []byte("\n")); lines != len(entries)-1 {
		t.Errorf("%d sums of %d files", lines, len(entries))
	}
}

func TestProgram(t *testing.T) {
	needProgram(t, "file", "file")
	for arch, want := range map[string]string{"amd64": "x86-64", "arm64": "ARM aarch64"} {
		got := said(t, "file", "-b", file(t, "_linux_"+arch))
		if !strings.Contains(got, want) || !strings.Contains(got, "statically linked") || !strings.Contains(got, "stripped") {
			t.Errorf("for %s it is %s", arch, got)
		}
	}
	got := said(t, file(t, "_linux_"+runtime.GOARCH), "--version")
	want := regexp.MustCompile(`^porttrace v1\.2\.3 linux/\w+ go[\d.]+ commit ` + testCommit + ` of 2025-11-24T16:00:00Z\n$`)
	if !want.MatchString(got) {
		t.Errorf("--version prints %q", got)
	}
	data, err := os.ReadFile(file(t, "_linux_amd64"))
	if err != nil {
		t.Fatal(err)
	}
	if bytes.Contains(data, []byte(scratch)) {
		t.Error("the program knows the folder that it was built in")
	}
}

func TestPackageVersion(t *testing.T) {
	needProgram(t, "dpkg", "dpkg")
	r := func(version string) string {
		return (&release{version: version, date: testTime}).packageVersion()
	}
	// In ascending order.
	order := []string{"2f9c0de", "1.2.0", "1.2.3-rc1", "1.2.3-rc1-4-g2f9c0de", "1.2.3", "1.2.3-4-g2f9c0de", "1.2.3-4-g2f9c0de-dirty", "1.2.3-12-g12345ab", "1.2.4", "1.10"}
	for i, v := range order[1:] {
		if err := exec.Command("dpkg", "--compare-versions", r(order[i]), "lt", r(v)).Run(); err != nil {
			t.Errorf("%s as %s is not below %s as %s: %v", order[i], r(order[i]), v, r(v), err)
		}
	}
	if got := r("1234567"); got != "0~20251124160000.1234567" {
		t.Errorf("a hash of digits is version %s", got)
	}
}

func TestRefusals(t *testing.T) {
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, "thesis.txt"), nil, 0o644); err != nil {
		t.Fatal(err)
	}
	for want, args := range map[string][]string{
		"needs git, or VERSION":       {"-version", "v1", "-date", ""},
		"so it was not made by dist":  {"-version", "v1", "-date", testDate, "-output", dir},
		"building for amd64: chdir":   {"-version", "v1", "-date", testDate, "-output", filepath.Join(dir, "x"), "-source", filepath.Join(dir, "none")},
		"flag provided but not defin": {"-nonsense"},
	} {
		if err := run(args); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%q: %v, want %q", args, err, want)
		}
	}
	entries, err := os.ReadDir(dir)
	if err != nil || len(entries) != 1 {
		t.Errorf("refusals left %v behind: %v", entries, err)
	}
}
