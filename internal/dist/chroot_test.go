package main

import (
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"sync"
	"testing"

	"porttrace/internal/testutil/need"
)

// TestDebInChroot installs the package in a minimal Debian, and removes it again.
func TestDebInChroot(t *testing.T) {
	t.Parallel()
	need.Root(t, "installing a package in a chroot")
	needProgram(t, "debootstrap", "debootstrap")
	root := debian(t)
	in := func(name string, args ...string) string {
		t.Helper()
		return said(t, "chroot", append([]string{root, "/usr/bin/env", "-i", "PATH=/usr/sbin:/usr/bin:/sbin:/bin", "DEBIAN_FRONTEND=noninteractive", name}, args...)...)
	}
	before := listing(t, root)
	said(t, "cp", file(t, "_"+runtime.GOARCH+".deb"), filepath.Join(root, "porttrace.deb"))
	in("dpkg", "--install", "/porttrace.deb")
	if err := os.Remove(filepath.Join(root, "porttrace.deb")); err != nil {
		t.Fatal(err)
	}
	installed := listing(t, root)
	for _, name := range debFiles {
		if _, ok := installed[name]; !ok {
			t.Errorf("%s was not installed", name)
		}
	}
	if got := in("dpkg", "--verify", "porttrace"); got != "" {
		t.Errorf("dpkg --verify: %s", got)
	}
	if got := in("porttrace", "--version"); !strings.HasPrefix(got, "porttrace v1.2.3 ") {
		t.Errorf("--version prints %q", got)
	}
	if got := in("bash", "-c", `source /usr/share/bash-completion/completions/porttrace; complete -p porttrace`); !strings.Contains(got, "_porttrace") {
		t.Errorf("bash completes by %q", got)
	}
	if links, _ := filepath.Glob(filepath.Join(root, "etc/systemd/system/*/porttrace.service")); len(links) > 0 {
		t.Errorf("the service is enabled: %q", links)
	}
	// What the service would have written, as a DynamicUser or not.
	said(t, "mkdir", "-p", filepath.Join(root, "var/log/private/porttrace"))
	said(t, "touch", filepath.Join(root, "var/log/private/porttrace/porttrace.jsonl.zst"))
	said(t, "ln", "-s", "private/porttrace", filepath.Join(root, "var/log/porttrace"))
	in("dpkg", "--remove", "porttrace")
	if _, err := os.Stat(filepath.Join(root, "var/log/porttrace/porttrace.jsonl.zst")); err != nil {
		t.Errorf("removing the package, without purge, took recordings: %v", err)
	}
	in("dpkg", "--purge", "porttrace")
	wantSame(t, before, listing(t, root))
}

// debootstrapping is had by the test that makes a Debian for all.
var debootstrapping sync.Mutex

// debian returns the root of a new minimal Debian with systemd, as debootstrap made it once
// for all runs: of the release and from the mirror that apt has here.
func debian(t *testing.T) string {
	t.Helper()
	debootstrapping.Lock()
	defer debootstrapping.Unlock()
	codename, mirror := aptMirror(t)
	cache, err := os.UserCacheDir()
	if err != nil {
		t.Fatal(err)
	}
	cache = filepath.Join(cache, "porttrace")
	kept := filepath.Join(cache, fmt.Sprintf("debootstrap-systemd-%s-%s.tar", codename, runtime.GOARCH))
	if _, err := os.Stat(kept); errors.Is(err, fs.ErrNotExist) {
		if err := os.MkdirAll(cache, 0o755); err != nil {
			t.Fatal(err)
		}
		root := t.TempDir()
		cmd := exec.Command("debootstrap", "--variant=minbase", "--include=systemd,libnss-systemd", codename, root, mirror)
		cmd.Env = append(os.Environ(), proxy(t)...)
		if out, err := cmd.CombinedOutput(); err != nil {
			t.Fatalf("debootstrap: %v: %s", err, out)
		}
		// Whole or not at all: another run may look for it now.
		part := fmt.Sprintf("%s.%d", kept, os.Getpid())
		said(t, "tar", "--create", "--numeric-owner", "--exclude=./var/cache/apt/*", "--file", part, "--directory", root, ".")
		if err := os.Rename(part, kept); err != nil {
			t.Fatal(err)
		}
	}
	root := t.TempDir()
	said(t, "tar", "--extract", "--numeric-owner", "--file", kept, "--directory", root)
	return root
}

// aptMirror returns the release and the archive that apt takes packages from.
func aptMirror(t *testing.T) (codename, mirror string) {
	t.Helper()
	needProgram(t, "apt-get", "apt")
	for line := range strings.Lines(said(t, "apt-get", "indextargets", "--format", "$(CODENAME) $(REPO_URI)", "Created-By: Packages")) {
		codename, mirror, _ = strings.Cut(strings.TrimSpace(line), " ")
		if !strings.Contains(codename, "-") { // bookworm, and not bookworm-security
			return codename, mirror
		}
	}
	need.That(t, false, "a Debian whose apt has its main archive")
	return "", ""
}

// proxy returns apt's proxy for wget, which debootstrap fetches with.
func proxy(t *testing.T) []string {
	t.Helper()
	var address string
	out := said(t, "apt-config", "shell", "P", "Acquire::http::Proxy")
	if _, err := fmt.Sscanf(out, "P='%s", &address); err != nil {
		return nil
	}
	return []string{"http_proxy=" + strings.TrimSuffix(address, "'")}
}

// listing returns all files below a root, with what tells a change. What dpkg notes of
// each run is left out.
func listing(t *testing.T, root string) map[string]string {
	t.Helper()
	files := map[string]string{}
	err := filepath.WalkDir(root, func(path string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		name := strings.TrimPrefix(path, root)
		switch name {
		case "/var/lib/dpkg/status", "/var/lib/dpkg/status-old", "/var/log/dpkg.log",
			"/var/lib/dpkg/lock", "/var/lib/dpkg/lock-frontend", "/var/lib/dpkg/triggers/Lock":
			return nil
		}
		info, err := d.Info()
		if err != nil {
			return err
		}
		files[name] = info.Mode().String()
		if info.Mode().IsRegular() {
			files[name] += fmt.Sprintf(" %d bytes of %s", info.Size(), info.ModTime())
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return files
}

func wantSame(t *testing.T, before, after map[string]string) {
	t.Helper()
	for _, name := range slices.Sorted(maps.Keys(after)) {
		if was, ok := before[name]; !ok {
			t.Errorf("%s is left behind", name)
		} else if was != after[name] {
			t.Errorf("%s was %s and is %s", name, was, after[name])
		}
	}
	for name := range before {
		if _, ok := after[name]; !ok {
			t.Errorf("%s is gone", name)
		}
	}
}
