package main

import (
	"bytes"
	_ "embed"
	"fmt"
	"os"
	"path/filepath"

	"github.com/goreleaser/nfpm/v2"
	"github.com/goreleaser/nfpm/v2/deb"
	"github.com/goreleaser/nfpm/v2/files"
	"github.com/goreleaser/nfpm/v2/rpm"
)

const (
	summary     = "tracer of ephemeral ports: who holds which, how long, why they run out"
	description = summary + `
porttrace hooks the kernel with eBPF and reports each ephemeral port from the
moment the kernel assigns it to the moment it returns to the pool, TIME_WAIT
and the time after the process's death included, with its owner, the time in
each state and the reason it ended; and tells why a host runs out of them.`
)

//go:embed scripts/prerm
var prerm []byte

//go:embed scripts/postinst
var postinst []byte

//go:embed scripts/postrm
var postrm []byte

//go:embed scripts/lintian-overrides
var lintianOverrides []byte

// staged is a folder with the files of one package as nfpm wants them: on disk.
type staged struct {
	dir      string
	contents files.Contents
}

func (s *staged) file(path string, data []byte, mode os.FileMode) (err error) {
	source := filepath.Join(s.dir, fmt.Sprint(len(s.contents)))
	if err = os.WriteFile(source, data, 0o644); err != nil {
		return fmt.Errorf("packaging %s: %w", path, err)
	}
	s.contents = append(s.contents, &files.Content{Source: source, Destination: path,
		FileInfo: &files.ContentFileInfo{Owner: "root", Group: "root", Mode: mode}})
	return nil
}

// script keeps a maintainer script and returns its path.
func (s *staged) script(name string, data []byte) (string, error) {
	path := filepath.Join(s.dir, name)
	if err := os.WriteFile(path, data, 0o755); err != nil {
		return "", fmt.Errorf("packaging %s: %w", name, err)
	}
	return path, nil
}

// stage keeps the files that all packages have; zsh looks in different places.
func (r *release) stage(p *program, d *documents, zshFolder string) (*staged, error) {
	dir, err := os.MkdirTemp(r.work, "package-")
	if err != nil {
		return nil, fmt.Errorf("packaging: %w", err)
	}
	manual, err := zipped(d.manual)
	if err != nil {
		return nil, fmt.Errorf("packaging: %w", err)
	}
	s := &staged{dir: dir}
	for _, f := range []struct {
		path string
		data []byte
		mode os.FileMode
	}{
		{"/usr/bin/porttrace", p.data, 0o755},
		{"/usr/lib/systemd/system/porttrace.service", d.unit, 0o644},
		{"/usr/lib/tmpfiles.d/porttrace.conf", d.tmpfiles, 0o644},
		{"/usr/share/bash-completion/completions/porttrace", d.bash, 0o644},
		{"/usr/share/fish/vendor_completions.d/porttrace.fish", d.fish, 0o644},
		{"/usr/share/man/man1/porttrace.1.gz", manual, 0o644},
		{zshFolder + "/_porttrace", d.zsh, 0o644},
	} {
		if err := s.file(f.path, f.data, f.mode); err != nil {
			return nil, err
		}
	}
	return s, nil
}

func (r *release) packageInfo(p *program, s *staged) *nfpm.Info {
	return nfpm.WithDefaults(&nfpm.Info{
		Name: "porttrace", Arch: p.arch, Platform: "linux", Version: r.packageVersion(), VersionSchema: "none",
		Section: "net", Priority: "optional", Maintainer: r.maintainer, Description: description, License: "MIT",
		MTime: r.date, DisableGlobbing: true,
		Overridables: nfpm.Overridables{Contents: s.contents, Umask: 0o022},
	})
}

func (r *release) writeDeb(p *program, d *documents) error {
	s, err := r.stage(p, d, "/usr/share/zsh/vendor-completions")
	if err != nil {
		return err
	}
	changes, err := zipped(fmt.Appendf(nil, "porttrace (%s) unstable; urgency=medium\n\n  * %s, commit %s.\n\n -- %s  %s\n",
		r.packageVersion(), r.tag, r.commit, r.maintainer, r.date.Format("Mon, 02 Jan 2006 15:04:05 -0700")))
	if err != nil {
		return fmt.Errorf("packaging: %w", err)
	}
	licences, err := zipped(d.thirdParty)
	if err != nil {
		return fmt.Errorf("packaging: %w", err)
	}
	for _, f := range []struct {
		path string
		data []byte
	}{
		{"doc/porttrace/changelog.gz", changes},
		{"doc/porttrace/copyright", append([]byte(copyright), d.licence...)},
		{"doc/porttrace/THIRD-PARTY-LICENSES.gz", licences},
		{"lintian/overrides/porttrace", lintianOverrides},
	} {
		if err := s.file("/usr/share/"+f.path, f.data, 0o644); err != nil {
			return err
		}
	}
	info := r.packageInfo(p, s)
	info.Deb.Compression = "xz"
	for _, script := range []struct {
		to   *string
		name string
		data []byte
	}{
		{&info.Scripts.PostInstall, "postinst", postinst}, {&info.Scripts.PreRemove, "prerm", prerm}, {&info.Scripts.PostRemove, "postrm", postrm},
	} {
		if *script.to, err = s.script(script.name, script.data); err != nil {
			return err
		}
	}
	return r.writePackage(deb.Default, info, "deb", r.name("_"+p.arch+".deb"))
}

// copyright is the beginning of Debian's file of that name.
const copyright = `porttrace is under the MIT licence; the part of it that runs in the kernel may also
be used under version 2 of the GPL (/usr/share/common-licenses/GPL-2). What is linked
into the program is under the licences in THIRD-PARTY-LICENSES.gz.

`

// rpmArchitectures are rpm's names for them.
var rpmArchitectures = map[string]string{"amd64": "x86_64", "arm64": "aarch64"}

func (r *release) writeRPM(p *program, d *documents) error {
	s, err := r.stage(p, d, "/usr/share/zsh/site-functions")
	if err != nil {
		return err
	}
	for _, f := range []struct {
		name string
		data []byte
	}{{"LICENSE", d.licence}, {"THIRD-PARTY-LICENSES", d.thirdParty}} {
		if err := s.file("/usr/share/licenses/porttrace/"+f.name, f.data, 0o644); err != nil {
			return err
		}
		s.contents[len(s.contents)-1].Type = files.TypeRPMLicense
	}
	s.contents = append(s.contents, &files.Content{Destination: "/usr/share/licenses/porttrace", Type: files.TypeDir,
		FileInfo: &files.ContentFileInfo{Owner: "root", Group: "root", Mode: 0o755}})
	info := r.packageInfo(p, s)
	info.Release = "1"
	info.RPM.Summary = summary
	info.RPM.Compression = "xz"
	info.RPM.BuildHost = "localhost" // else the name of this machine
	if info.Scripts.PreRemove, err = s.script("preun", prerm); err != nil {
		return err
	}
	// The package systemd reloads by its own triggers.
	return r.writePackage(rpm.DefaultRPM, info, "rpm", r.name("_"+rpmArchitectures[p.arch]+".rpm"))
}

func (r *release) writePackage(packager nfpm.Packager, info *nfpm.Info, kind, name string) error {
	err := nfpm.PrepareForPackager(info, kind)
	var b bytes.Buffer
	if err == nil {
		err = packager.Package(info, &b)
	}
	if err != nil {
		return fmt.Errorf("packaging %s: %w", name, err)
	}
	return r.writeFile(name, b.Bytes(), 0o644)
}
