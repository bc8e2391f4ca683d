package main

import (
	"bytes"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"

	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/empty"
	"github.com/google/go-containerregistry/pkg/v1/layout"
	"github.com/google/go-containerregistry/pkg/v1/mutate"
	"github.com/google/go-containerregistry/pkg/v1/tarball"
	"github.com/google/go-containerregistry/pkg/v1/types"
)

// writeImage writes an OCI image layout as one archive, with an image for each
// architecture: the program and nothing else.
func (r *release) writeImage(programs []*program) error {
	index := mutate.IndexMediaType(empty.Index, types.OCIImageIndex)
	for _, p := range programs {
		image, err := r.image(p)
		if err != nil {
			return fmt.Errorf("making the image for %s: %w", p.arch, err)
		}
		index = mutate.AppendManifests(index, mutate.IndexAddendum{Add: image, Descriptor: v1.Descriptor{
			Platform: &v1.Platform{OS: "linux", Architecture: p.arch}}})
	}
	dir := filepath.Join(r.work, "image")
	path, err := layout.Write(dir, empty.Index)
	if err == nil {
		err = path.AppendIndex(index, layout.WithAnnotations(map[string]string{
			"org.opencontainers.image.ref.name": r.version,
			"io.containerd.image.name":          "localhost/porttrace:" + r.version, // what docker and podman load it as
		}))
	}
	if err != nil {
		return fmt.Errorf("writing the image: %w", err)
	}
	return r.writeImageArchive(dir)
}

func (r *release) image(p *program) (v1.Image, error) {
	var files bytes.Buffer
	// Recordings go to the folder that is mounted there, or is not.
	err := writeTar(&files, r.date, []entry{{"porttrace", 0o755, p.data}, {"recordings/", 0o755, nil}})
	if err != nil {
		return nil, err
	}
	layer, err := tarball.LayerFromOpener(func() (io.ReadCloser, error) {
		return io.NopCloser(bytes.NewReader(files.Bytes())), nil
	}, tarball.WithMediaType(types.OCILayer))
	if err != nil {
		return nil, err
	}
	created := v1.Time{Time: r.date}
	image := mutate.ConfigMediaType(mutate.MediaType(empty.Image, types.OCIManifestSchema1), types.OCIConfigJSON)
	image, err = mutate.Append(image, mutate.Addendum{Layer: layer, History: v1.History{Created: created, CreatedBy: "make dist"}})
	if err != nil {
		return nil, err
	}
	config, err := image.ConfigFile()
	if err != nil {
		return nil, err
	}
	config = config.DeepCopy()
	config.OS, config.Architecture, config.Created = "linux", p.arch, created
	config.Config = v1.Config{Entrypoint: []string{"/porttrace"}, WorkingDir: "/recordings", Labels: map[string]string{
		"org.opencontainers.image.title":       "porttrace",
		"org.opencontainers.image.description": summary,
		"org.opencontainers.image.version":     r.tag,
		"org.opencontainers.image.revision":    r.commit,
		"org.opencontainers.image.created":     r.date.Format("2006-01-02T15:04:05Z"),
		"org.opencontainers.image.licenses":    "MIT",
	}}
	return mutate.ConfigFile(image, config)
}

// writeImageArchive packs the layout, by name.
func (r *release) writeImageArchive(dir string) error {
	var entries []entry
	err := filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		if err != nil || path == dir {
			return err
		}
		name, err := filepath.Rel(dir, path)
		if err != nil {
			return err
		}
		if d.IsDir() {
			entries = append(entries, entry{name + "/", 0o755, nil})
			return nil
		}
		data, err := os.ReadFile(path)
		entries = append(entries, entry{name, 0o644, data})
		return err
	})
	if err != nil {
		return fmt.Errorf("packing the image: %w", err)
	}
	var b bytes.Buffer
	if err := writeTar(&b, r.date, entries); err != nil {
		return err
	}
	return r.writeFile(r.name("_oci.tar"), b.Bytes(), 0o644)
}
