package main

import (
	"archive/tar"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path"
	"path/filepath"
	"slices"
	"strings"
)

// kernel is one to boot, unpacked.
type kernel struct {
	name    string // as it was asked for
	version string // 6.12.117
	arch    string
	image   string
	modules []string
}

// wanted are the modules the tests need, each after those it needs: sock_diag's parts,
// which are built in only on the smallest kernels.
var wanted = []string{"inet_diag", "tcp_diag", "udp_diag"}

// kernel fetches and unpacks a kernel.
func (a *apt) kernel(ctx context.Context, name, arch string) (*kernel, error) {
	chosen, err := choose(a.index, name, arch)
	if err != nil {
		return nil, err
	}
	k := &kernel{name: name, version: chosen.upstream(), arch: arch}
	dir := filepath.Join(a.dir, "unpacked", chosen.name+"_"+chosen.version)
	if _, err := os.Stat(dir); errors.Is(err, os.ErrNotExist) {
		if err := a.unpack(ctx, chosen, dir); err != nil {
			return nil, err
		}
	}
	return k, k.find(dir)
}

// unpack makes dir all at once: it is there only when it is whole.
func (a *apt) unpack(ctx context.Context, chosen packaged, dir string) error {
	fresh := dir + ".part"
	if err := errors.Join(os.RemoveAll(fresh), os.MkdirAll(fresh, 0o755)); err != nil {
		return fmt.Errorf("unpacking %s: %w", chosen.name, err)
	}
	for _, p := range pieces(a.index, chosen) {
		deb, err := a.fetch(ctx, p)
		if err != nil {
			return err
		}
		if err := unpackDeb(ctx, deb, fresh); err != nil {
			return fmt.Errorf("unpacking %s: %w", p.name, err)
		}
		if err := os.Remove(deb); err != nil {
			return fmt.Errorf("unpacking %s: %w", p.name, err)
		}
	}
	if err := os.Rename(fresh, dir); err != nil {
		return fmt.Errorf("unpacking %s: %w", chosen.name, err)
	}
	return nil
}

func unpackDeb(ctx context.Context, deb, dir string) error {
	cmd := exec.CommandContext(ctx, "dpkg-deb", "--fsys-tarfile", deb)
	out, err := cmd.StdoutPipe()
	if err != nil {
		return err
	}
	cmd.Stderr = os.Stderr
	if err := cmd.Start(); err != nil {
		return err
	}
	err = unpackTar(tar.NewReader(out), dir)
	_, _ = io.Copy(io.Discard, out)
	return errors.Join(err, cmd.Wait())
}

// unpackTar takes the image and the modules, and leaves their folders.
func unpackTar(files *tar.Reader, dir string) error {
	for {
		head, err := files.Next()
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return err
		}
		name := path.Base(head.Name)
		if head.Typeflag != tar.TypeReg || !isImage(name) && !slices.Contains(wanted, moduleName(name)) {
			continue
		}
		f, err := os.Create(filepath.Join(dir, name))
		if err != nil {
			return err
		}
		_, err = io.Copy(f, files)
		if err := errors.Join(err, f.Close()); err != nil {
			return err
		}
	}
}

func isImage(name string) bool { return name == "vmlinuz" || strings.HasPrefix(name, "vmlinuz-") }

// moduleName is inet_diag for inet_diag.ko and inet_diag.ko.xz.
func moduleName(file string) string {
	name, rest, _ := strings.Cut(file, ".ko")
	if rest != "" && rest != ".xz" {
		return ""
	}
	return name
}

// find notes what is in an unpacked kernel's folder.
func (k *kernel) find(dir string) error {
	entries, err := os.ReadDir(dir)
	if err != nil {
		return fmt.Errorf("looking at kernel %s: %w", k.version, err)
	}
	modules := make([]string, len(wanted))
	for _, e := range entries {
		if isImage(e.Name()) {
			k.image = filepath.Join(dir, e.Name())
		}
		if i := slices.Index(wanted, moduleName(e.Name())); i >= 0 {
			modules[i] = filepath.Join(dir, e.Name())
		}
	}
	if k.image == "" {
		return fmt.Errorf("looking at kernel %s: no image in %s: remove that folder to have it fetched again", k.version, dir)
	}
	k.modules = slices.DeleteFunc(modules, func(m string) bool { return m == "" })
	return nil
}
