package main

import (
	"bytes"
	"compress/gzip"
	"fmt"
	"os"
	"path/filepath"
)

// documents are what comes with the program, the same for all architectures.
type documents struct {
	manual          []byte
	bash, zsh, fish []byte
	unit            []byte // of systemd
	tmpfiles        []byte
	readme, licence []byte
	thirdParty      []byte // licences of what is linked in
}

func (r *release) documents(programs []*program) (*documents, error) {
	p, err := native(programs)
	if err != nil {
		return nil, err
	}
	d := &documents{}
	for _, said := range []struct {
		to   *[]byte
		args []string
	}{
		{&d.manual, []string{"man"}},
		{&d.bash, []string{"completion", "bash"}},
		{&d.zsh, []string{"completion", "zsh"}},
		{&d.fish, []string{"completion", "fish"}},
	} {
		if *said.to, err = p.say(said.args...); err != nil {
			return nil, err
		}
	}
	for _, file := range []struct {
		to   *[]byte
		name string
	}{
		{&d.unit, "internal/dist/porttrace.service"}, {&d.tmpfiles, "internal/dist/porttrace.tmpfiles"},
		{&d.readme, "README.md"}, {&d.licence, "LICENSE"},
	} {
		if *file.to, err = os.ReadFile(filepath.Join(r.source, file.name)); err != nil {
			return nil, fmt.Errorf("reading the source: %w", err)
		}
	}
	d.thirdParty, err = r.thirdParty(programs)
	return d, err
}

// zipped returns data as gzip -9n does: without a name and a date.
func zipped(data []byte) ([]byte, error) {
	var b bytes.Buffer
	w, err := gzip.NewWriterLevel(&b, gzip.BestCompression)
	if err != nil {
		return nil, err
	}
	if _, err := w.Write(data); err != nil {
		return nil, err
	}
	if err := w.Close(); err != nil {
		return nil, err
	}
	return b.Bytes(), nil
}
