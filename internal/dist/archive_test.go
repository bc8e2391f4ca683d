package main

import (
	"archive/tar"
	"bytes"
	"compress/gzip"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	v1 "github.com/google/go-containerregistry/pkg/v1"
)

var testTime = time.Unix(1764000000, 0).UTC()

// member is a file of an archive.
type member struct {
	*tar.Header
	data string
}

// untar returns the files of an archive and checks what all entries have in common.
func untar(t *testing.T, r io.Reader) map[string]*member {
	t.Helper()
	headers := map[string]*member{}
	archive := tar.NewReader(r)
	for {
		h, err := archive.Next()
		if err == io.EOF {
			return headers
		}
		if err != nil {
			t.Fatal(err)
		}
		if !h.ModTime.Equal(testTime) || h.Uid != 0 || h.Gid != 0 {
			t.Errorf("%s is of %d:%d at %s", h.Name, h.Uid, h.Gid, h.ModTime)
		}
		data, err := io.ReadAll(archive)
		if err != nil {
			t.Fatal(err)
		}
		headers[h.Name] = &member{h, string(data)}
	}
}

func TestTarball(t *testing.T) {
	for _, arch := range architectures {
		data, err := os.ReadFile(file(t, "_linux_"+arch+".tar.gz"))
		if err != nil {
			t.Fatal(err)
		}
		zip, err := gzip.NewReader(bytes.NewReader(data))
		if err != nil {
			t.Fatal(err)
		}
		headers := untar(t, zip)
		root := "porttrace_1.2.3_linux_" + arch + "/"
		want := []string{"", "LICENSE", "README.md", "THIRD-PARTY-LICENSES", "completions/", "completions/_porttrace",
			"completions/porttrace.bash", "completions/porttrace.fish", "porttrace", "porttrace.1", "porttrace.service", "porttrace.tmpfiles"}
		for i := range want {
			want[i] = root + want[i]
		}
		if got := slices.Sorted(maps.Keys(headers)); !slices.Equal(got, want) {
			t.Errorf("the tarball has %q, want %q", got, want)
		}
		program, err := os.ReadFile(file(t, "_linux_"+arch))
		if err != nil {
			t.Fatal(err)
		}
		if h := headers[root+"porttrace"]; h == nil || h.Mode != 0o755 || h.data != string(program) {
			t.Error("the program in the tarball is another one, or cannot be run")
		}
		for _, words := range []string{"The Go standard library, go1.", "github.com/cilium/ebpf v", "golang.org/x/sys v", "Permission is hereby granted"} {
			if !strings.Contains(headers[root+"THIRD-PARTY-LICENSES"].data, words) {
				t.Errorf("the licences do not have %q", words)
			}
		}
	}
}

// layoutFiles unpacks the image and checks that each blob has the content that its name
// says.
func layoutFiles(t *testing.T) map[string]*member {
	t.Helper()
	data, err := os.ReadFile(file(t, "_oci.tar"))
	if err != nil {
		t.Fatal(err)
	}
	files := untar(t, bytes.NewReader(data))
	for name, h := range files {
		if sum, isBlob := strings.CutPrefix(name, "blobs/sha256/"); isBlob && sum != "" {
			if got := sha256.Sum256([]byte(h.data)); hex.EncodeToString(got[:]) != sum {
				t.Errorf("%s has another sum", name)
			}
		}
	}
	return files
}

// blob decodes what a descriptor means.
func blob(t *testing.T, files map[string]*member, d v1.Descriptor, into any) []byte {
	t.Helper()
	h := files["blobs/sha256/"+d.Digest.Hex]
	if h == nil || h.Size != d.Size {
		t.Fatalf("there is no blob %s of %d bytes", d.Digest, d.Size)
	}
	if into != nil {
		if err := json.Unmarshal([]byte(h.data), into); err != nil {
			t.Fatal(err)
		}
	}
	return []byte(h.data)
}

func TestImage(t *testing.T) {
	files := layoutFiles(t)
	if h := files["oci-layout"]; h == nil || strings.Join(strings.Fields(h.data), "") != `{"imageLayoutVersion":"1.0.0"}` {
		t.Errorf("oci-layout is %v", h)
	}
	var top, index v1.IndexManifest
	if err := json.Unmarshal([]byte(files["index.json"].data), &top); err != nil {
		t.Fatal(err)
	}
	if len(top.Manifests) != 1 || top.Manifests[0].Annotations["org.opencontainers.image.ref.name"] != "1.2.3" ||
		top.Manifests[0].Annotations["io.containerd.image.name"] != "localhost/porttrace:1.2.3" {
		t.Fatalf("index.json has %v", top.Manifests)
	}
	blob(t, files, top.Manifests[0], &index)
	if len(index.Manifests) != len(architectures) {
		t.Fatalf("the image is for %d platforms", len(index.Manifests))
	}
	for i, arch := range architectures {
		d := index.Manifests[i]
		if d.Platform.String() != "linux/"+arch {
			t.Errorf("platform %d is %s", i, d.Platform)
		}
		var manifest v1.Manifest
		var config v1.ConfigFile
		blob(t, files, d, &manifest)
		blob(t, files, manifest.Config, &config)
		labels := config.Config.Labels
		if config.Architecture != arch || config.OS != "linux" || !config.Created.Equal(testTime) ||
			fmt.Sprint(config.Config.Entrypoint) != "[/porttrace]" || labels["org.opencontainers.image.version"] != testVersion ||
			labels["org.opencontainers.image.revision"] != testCommit || labels["org.opencontainers.image.licenses"] != "MIT" {
			t.Errorf("the image for %s is %+v", arch, config)
		}
		layer, err := gzip.NewReader(bytes.NewReader(blob(t, files, manifest.Layers[0], nil)))
		if err != nil {
			t.Fatal(err)
		}
		content, err := io.ReadAll(layer)
		if err != nil {
			t.Fatal(err)
		}
		if sum := sha256.Sum256(content); config.RootFS.DiffIDs[0].Hex != hex.EncodeToString(sum[:]) {
			t.Error("the layer is not what the image says")
		}
		root := untar(t, bytes.NewReader(content))
		program, err := os.ReadFile(file(t, "_linux_"+arch))
		if err != nil {
			t.Fatal(err)
		}
		if len(root) != 2 || root["porttrace"].data != string(program) || root["porttrace"].Mode != 0o755 {
			t.Errorf("the image for %s has other files", arch)
		}
	}
}

// What others' tools make of it.
func TestImageWithSkopeo(t *testing.T) {
	needProgram(t, "skopeo", "skopeo")
	for _, arch := range architectures {
		got := said(t, "skopeo", "inspect", "--override-arch", arch, "--format", "{{.Architecture}} {{.Os}} {{.Created}} {{index .Labels \"org.opencontainers.image.version\"}}",
			"oci-archive:"+file(t, "_oci.tar"))
		if want := arch + " linux 2025-11-24 16:00:00 +0000 UTC v1.2.3\n"; got != want {
			t.Errorf("skopeo sees %q, want %q", got, want)
		}
	}
	copied := filepath.Join(t.TempDir(), "copy")
	out, err := exec.Command("skopeo", "--insecure-policy", "copy", "--all", "oci-archive:"+file(t, "_oci.tar"), "dir:"+copied).CombinedOutput()
	if err != nil {
		t.Errorf("skopeo copy: %v: %s", err, out)
	}
}
