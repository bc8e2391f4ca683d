package main

import (
	"archive/tar"
	"bytes"
	"fmt"
	"io"
	"strings"
	"time"
)

// entry is a file or, with a name that ends in a slash, a folder of an archive.
type entry struct {
	name string
	mode int64
	data []byte
}

// writeTar writes entries that belong to root and have one date.
func writeTar(w io.Writer, date time.Time, entries []entry) error {
	t := tar.NewWriter(w)
	for _, e := range entries {
		h := &tar.Header{
			Typeflag: tar.TypeReg, Name: e.name, Mode: e.mode, Size: int64(len(e.data)), ModTime: date,
			Uname: "root", Gname: "root", Format: tar.FormatUSTAR,
		}
		if strings.HasSuffix(e.name, "/") {
			h.Typeflag = tar.TypeDir
		}
		if err := t.WriteHeader(h); err != nil {
			return fmt.Errorf("writing an archive: %s: %w", e.name, err)
		}
		if _, err := t.Write(e.data); err != nil {
			return fmt.Errorf("writing an archive: %s: %w", e.name, err)
		}
	}
	return t.Close()
}

func (r *release) writeTarball(p *program, d *documents) error {
	root := r.name("_linux_" + p.arch)
	var b bytes.Buffer
	err := writeTar(&b, r.date, []entry{
		{root + "/", 0o755, nil},
		{root + "/LICENSE", 0o644, d.licence},
		{root + "/README.md", 0o644, d.readme},
		{root + "/THIRD-PARTY-LICENSES", 0o644, d.thirdParty},
		{root + "/completions/", 0o755, nil},
		{root + "/completions/_porttrace", 0o644, d.zsh},
		{root + "/completions/porttrace.bash", 0o644, d.bash},
		{root + "/completions/porttrace.fish", 0o644, d.fish},
		{root + "/porttrace", 0o755, p.data},
		{root + "/porttrace.1", 0o644, d.manual},
		{root + "/porttrace.service", 0o644, d.unit},
		{root + "/porttrace.tmpfiles", 0o644, d.tmpfiles},
	})
	if err != nil {
		return err
	}
	zip, err := zipped(b.Bytes())
	if err != nil {
		return fmt.Errorf("compressing an archive: %w", err)
	}
	return r.writeFile(root+".tar.gz", zip, 0o644)
}
