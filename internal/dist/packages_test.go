package main

import (
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"porttrace/internal/testutil/need"
)

// Files of both packages.
var common = []string{
	"/usr/bin/porttrace",
	"/usr/lib/systemd/system/porttrace.service",
	"/usr/lib/tmpfiles.d/porttrace.conf",
	"/usr/share/bash-completion/completions/porttrace",
	"/usr/share/fish/vendor_completions.d/porttrace.fish",
	"/usr/share/man/man1/porttrace.1.gz",
}

var debFiles = slices.Sorted(slices.Values(append([]string{
	"/usr/share/doc/porttrace/THIRD-PARTY-LICENSES.gz",
	"/usr/share/doc/porttrace/changelog.gz",
	"/usr/share/doc/porttrace/copyright",
	"/usr/share/lintian/overrides/porttrace",
	"/usr/share/zsh/vendor-completions/_porttrace",
}, common...)))

var rpmFiles = slices.Sorted(slices.Values(append([]string{
	"/usr/share/licenses/porttrace",
	"/usr/share/licenses/porttrace/LICENSE",
	"/usr/share/licenses/porttrace/THIRD-PARTY-LICENSES",
	"/usr/share/zsh/site-functions/_porttrace",
}, common...)))

func TestDeb(t *testing.T) {
	needProgram(t, "dpkg-deb", "dpkg")
	for _, arch := range architectures {
		deb := file(t, "_"+arch+".deb")
		if got := said(t, "dpkg-deb", "--field", deb, "Package", "Version", "Architecture", "Depends"); got !=
			"Package: porttrace\nVersion: 1.2.3\nArchitecture: "+arch+"\n" {
			t.Errorf("its fields are %q", got)
		}
		var files []string
		for line := range strings.Lines(said(t, "dpkg-deb", "--contents", deb)) {
			fields := strings.Fields(line) // mode, owner, size, date, time, name
			if fields[1] != "root/root" {
				t.Errorf("not of root: %s", line)
			}
			mode, name := fields[0], strings.TrimPrefix(fields[5], ".")
			want := "-rw-r--r--"
			switch {
			case strings.HasSuffix(name, "/"):
				want = "drwxr-xr-x"
			case name == "/usr/bin/porttrace":
				want = "-rwxr-xr-x"
			}
			if mode != want {
				t.Errorf("%s has mode %s", name, mode)
			}
			if !strings.HasSuffix(name, "/") {
				files = append(files, name)
			}
		}
		if slices.Sort(files); !slices.Equal(files, debFiles) {
			t.Errorf("the package has %q, want %q", files, debFiles)
		}
		control := t.TempDir()
		said(t, "dpkg-deb", "--control", deb, control)
		entries, err := os.ReadDir(control)
		if err != nil {
			t.Fatal(err)
		}
		var names []string
		for _, e := range entries {
			names = append(names, e.Name())
		}
		if got := strings.Join(names, " "); got != "control md5sums postinst postrm prerm" {
			t.Errorf("its control files are %s", got)
		}
	}
}

// There is no address to write to: MAINTAINER names one in a package for others.
func TestLintian(t *testing.T) {
	needProgram(t, "lintian", "lintian")
	out, err := exec.Command("lintian", "--allow-root", "--fail-on", "error,warning",
		"--suppress-tags", "bogus-mail-host,bogus-mail-host-in-debian-changelog", file(t, "_amd64.deb"), file(t, "_arm64.deb")).CombinedOutput()
	if err != nil {
		t.Errorf("lintian: %v: %s", err, out)
	}
}

func TestRPM(t *testing.T) {
	needProgram(t, "rpm", "rpm")
	for _, arch := range architectures {
		rpm := file(t, "_"+rpmArchitectures[arch]+".rpm")
		got := said(t, "rpm", "-qp", "--queryformat", `%{NAME} %{VERSION}-%{RELEASE} %{ARCH} %{LICENSE} %{BUILDTIME} %{BUILDHOST}\n`, rpm)
		if want := "porttrace 1.2.3-1 " + rpmArchitectures[arch] + " MIT " + testDate + " localhost\n"; got != want {
			t.Errorf("its fields are %q, want %q", got, want)
		}
		files := strings.Fields(said(t, "rpm", "-qpl", rpm))
		if slices.Sort(files); !slices.Equal(files, rpmFiles) {
			t.Errorf("the package has %q, want %q", files, rpmFiles)
		}
		said(t, "rpm", "-K", "--nosignature", rpm)
	}
}

// With an rpm database of its own; scripts need a shell in there, and what they do is
// tried with the .deb.
func TestRPMInstalledAndRemoved(t *testing.T) {
	need.Root(t, "installing a package")
	needProgram(t, "rpm", "rpm")
	for _, arch := range architectures {
		root := t.TempDir()
		in := func(args ...string) string {
			t.Helper()
			return said(t, "rpm", append([]string{"--root", root}, args...)...)
		}
		in("--install", "--nodeps", "--noscripts", "--ignorearch", file(t, "_"+rpmArchitectures[arch]+".rpm"))
		in("--verify", "--nodeps", "porttrace")
		for _, name := range rpmFiles {
			if _, err := os.Stat(filepath.Join(root, name)); err != nil {
				t.Error(err)
			}
		}
		in("--erase", "--noscripts", "porttrace")
		for _, name := range rpmFiles {
			if _, err := os.Lstat(filepath.Join(root, name)); err == nil {
				t.Errorf("%s is still there", name)
			}
		}
	}
}
