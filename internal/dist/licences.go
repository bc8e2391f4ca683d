package main

import (
	"bytes"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
)

// thirdParty returns the licences of all that is linked into the programs, whose terms
// want them to come along.
func (r *release) thirdParty(programs []*program) ([]byte, error) {
	modules := map[string]string{} // path to version
	for _, p := range programs {
		for _, m := range p.info.Deps {
			modules[m.Path] = m.Version
		}
	}
	root, err := r.goSays("env", "GOROOT")
	if err != nil {
		return nil, err
	}
	var b bytes.Buffer
	if err := appendLicences(&b, "The Go standard library, "+programs[0].info.GoVersion, root); err != nil {
		return nil, err
	}
	paths := make([]string, 0, len(modules))
	for path := range modules {
		paths = append(paths, path)
	}
	slices.Sort(paths)
	for _, path := range paths {
		dir, err := r.goSays("list", "-m", "-f", "{{.Dir}}", path)
		if err != nil {
			return nil, err
		}
		if err := appendLicences(&b, path+" "+modules[path], dir); err != nil {
			return nil, err
		}
	}
	return b.Bytes(), nil
}

func (r *release) goSays(args ...string) (string, error) {
	cmd := exec.Command("go", args...)
	cmd.Dir = r.source
	var stderr bytes.Buffer
	cmd.Stderr = &stderr
	out, err := cmd.Output()
	if err != nil {
		return "", fmt.Errorf("asking go %s: %w: %s", strings.Join(args, " "), err, &stderr)
	}
	return strings.TrimSpace(string(out)), nil
}

var licenceName = regexp.MustCompile(`(?i)^(licen[cs]e|copying|notice|patents)([.-].*)?$`)

func appendLicences(b *bytes.Buffer, title, dir string) error {
	entries, err := os.ReadDir(dir)
	if err != nil {
		return fmt.Errorf("looking for the licence of %s: %w", title, err)
	}
	fmt.Fprintf(b, "%s\n%s\n\n", title, strings.Repeat("=", len(title)))
	found := false
	for _, e := range entries {
		if e.IsDir() || !licenceName.MatchString(e.Name()) {
			continue
		}
		text, err := os.ReadFile(filepath.Join(dir, e.Name()))
		if err != nil {
			return fmt.Errorf("reading the licence of %s: %w", title, err)
		}
		found = true
		fmt.Fprintf(b, "%s\n\n", bytes.TrimSpace(text))
	}
	if !found {
		return fmt.Errorf("looking for the licence of %s: there is none in %s", title, dir)
	}
	return nil
}
