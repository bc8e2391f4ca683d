package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
)

// keyring verifies the signatures of Debian's archives.
const keyring = "/usr/share/keyrings/debian-archive-keyring.gpg"

// apt is a private root of apt: its own sources and index, so that the machine's stay
// as they are, with the machine's mirror, proxy and keys.
type apt struct {
	dir    string
	notice func(format string, args ...any)
	index  []packaged
}

// openApt brings the index up to date or, without the network, takes it as it was.
func openApt(ctx context.Context, dir string, notice func(string, ...any)) (*apt, error) {
	a := &apt{dir: dir, notice: notice}
	for _, d := range []string{"lists/partial", "archives/partial", "packages"} {
		if err := os.MkdirAll(filepath.Join(dir, d), 0o755); err != nil {
			return nil, fmt.Errorf("making the kernels' cache: %w", err)
		}
	}
	if _, err := os.Stat(keyring); err != nil {
		return nil, fmt.Errorf("verifying kernels: %w: install debian-archive-keyring", err)
	}
	if err := a.writeSources(ctx); err != nil {
		return nil, err
	}
	if _, err := a.command(ctx, "apt-get", "update", "--error-on=any").Output(); err != nil {
		notice("no fresh index of kernels, going on with the last one: %v", said(err))
	}
	text, err := a.command(ctx, "apt-cache", "dumpavail").Output()
	if err != nil {
		return nil, fmt.Errorf("reading the index of kernels: %w", said(err))
	}
	if a.index = parseIndex(string(text)); len(a.index) == 0 {
		return nil, errors.New("reading the index of kernels: it is empty: the network is needed once")
	}
	return a, nil
}

// writeSources takes the mirror from the machine's own sources.
func (a *apt) writeSources(ctx context.Context) error {
	out, err := exec.CommandContext(ctx, "apt-get", "indextargets", "--format", "$(CODENAME) $(REPO_URI)", "Created-By: Packages").Output()
	if err != nil {
		return fmt.Errorf("asking apt for its mirror: %w", said(err))
	}
	text, err := sources(string(out))
	if err != nil {
		return err
	}
	if err := os.WriteFile(filepath.Join(a.dir, "sources.list"), []byte(text), 0o644); err != nil {
		return fmt.Errorf("writing apt's sources: %w", err)
	}
	// apt wants to know what is installed: nothing.
	if err := os.WriteFile(filepath.Join(a.dir, "status"), nil, 0o644); err != nil {
		return fmt.Errorf("writing apt's sources: %w", err)
	}
	return nil
}

// sources makes a sources.list of "CODENAME URI" lines.
func sources(targets string) (string, error) {
	var mirror [2]string // of the archive itself, of security updates
	for line := range strings.Lines(targets) {
		codename, uri, _ := strings.Cut(strings.TrimSpace(line), " ")
		i := 0
		if strings.HasSuffix(codename, "-security") {
			i = 1
		}
		if mirror[i] == "" {
			mirror[i] = uri
		}
	}
	var b strings.Builder
	for _, s := range suites {
		uri := mirror[0]
		if s.security {
			uri = mirror[1]
		}
		if uri == "" {
			return "", fmt.Errorf("looking for kernels: apt has no mirror for %s: this needs a Debian with its main and security archives", s.name)
		}
		fmt.Fprintf(&b, "deb [signed-by=%s] %s %s main\n", keyring, uri, s.name)
	}
	return b.String(), nil
}

func (a *apt) command(ctx context.Context, name string, args ...string) *exec.Cmd {
	in := func(option, name string) string { return option + "=" + filepath.Join(a.dir, name) }
	options := []string{
		in("Dir::Etc::sourcelist", "sources.list"), "Dir::Etc::sourceparts=/dev/null",
		in("Dir::State::lists", "lists"), in("Dir::State::status", "status"), in("Dir::Cache", ""),
		"APT::Architectures::=amd64", "APT::Architectures::=arm64", "Acquire::Languages=none",
		"Acquire::IndexTargets::deb::DEP-11::DefaultEnabled=false",
		"APT::Sandbox::User=root", // apt's own user may not enter our cache
		"Acquire::Retries=3",
	}
	var all []string
	for _, o := range options {
		all = append(all, "-o", o)
	}
	cmd := exec.CommandContext(ctx, name, append(all, args...)...)
	cmd.Dir = filepath.Join(a.dir, "packages")
	return cmd
}

// fetch returns the .deb of a package. apt compares it with the signed index.
func (a *apt) fetch(ctx context.Context, p packaged) (string, error) {
	a.notice("fetching %s %s", p.name, p.version)
	if _, err := a.command(ctx, "apt-get", "download", "-q", fmt.Sprintf("%s:%s=%s", p.name, p.arch, p.version)).Output(); err != nil {
		return "", fmt.Errorf("fetching %s: %w", p.name, said(err))
	}
	// apt writes the colon of an epoch in another way; kernels have none.
	return filepath.Join(a.dir, "packages", fmt.Sprintf("%s_%s_%s.deb", p.name, p.version, p.arch)), nil
}

// said is an error with what the program said about it.
func said(err error) error {
	var exit *exec.ExitError
	if errors.As(err, &exit) && len(exit.Stderr) > 0 {
		return fmt.Errorf("%w: %s", err, strings.TrimSpace(string(exit.Stderr)))
	}
	return err
}
