package main

import (
	"bytes"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"fmt"
	"runtime/debug"
	"strings"

	cdx "github.com/CycloneDX/cyclonedx-go"
	"github.com/google/uuid"
)

// writeSBOM writes, as CycloneDX, what the linker says is in the program.
func (r *release) writeSBOM(p *program) error {
	bom, err := r.bom(p)
	if err != nil {
		return err
	}
	var b bytes.Buffer
	encoder := cdx.NewBOMEncoder(&b, cdx.BOMFileFormatJSON).SetPretty(true)
	if err := encoder.EncodeVersion(bom, cdx.SpecVersion1_6); err != nil {
		return fmt.Errorf("writing the SBOM: %w", err)
	}
	return r.writeFile(r.name("_linux_"+p.arch+".cdx.json"), b.Bytes(), 0o644)
}

func (r *release) bom(p *program) (*cdx.BOM, error) {
	sum := sha256.Sum256(p.data)
	main := cdx.Component{
		BOMRef: purl(p.info.Main.Path, r.tag), Type: cdx.ComponentTypeApplication, Name: "porttrace", Version: r.tag,
		PackageURL: purl(p.info.Main.Path, r.tag), Description: summary,
		Licenses: &cdx.Licenses{{License: &cdx.License{ID: "MIT"}}},
		Hashes:   &[]cdx.Hash{{Algorithm: cdx.HashAlgoSHA256, Value: hex.EncodeToString(sum[:])}},
	}
	std := strings.TrimPrefix(p.info.GoVersion, "go")
	components := []cdx.Component{{
		BOMRef: purl("std", std), Type: cdx.ComponentTypeLibrary, Name: "std", Version: std, PackageURL: purl("std", std),
	}}
	for _, m := range p.info.Deps {
		c, err := componentOf(m)
		if err != nil {
			return nil, err
		}
		components = append(components, c)
	}
	refs := make([]string, len(components))
	dependencies := []cdx.Dependency{{Ref: main.BOMRef, Dependencies: &refs}}
	for i, c := range components {
		refs[i] = c.BOMRef
		dependencies = append(dependencies, cdx.Dependency{Ref: c.BOMRef})
	}
	properties := make([]cdx.Property, 0, len(p.info.Settings))
	for _, s := range p.info.Settings {
		properties = append(properties, cdx.Property{Name: "go:build:" + s.Key, Value: s.Value})
	}
	bom := cdx.NewBOM()
	// The same program has the same number.
	bom.SerialNumber = "urn:uuid:" + uuid.NewSHA1(uuid.NameSpaceURL, sum[:]).String()
	bom.Metadata = &cdx.Metadata{Timestamp: r.date.Format("2006-01-02T15:04:05Z"), Component: &main, Properties: &properties}
	bom.Components, bom.Dependencies = &components, &dependencies
	return bom, nil
}

// componentOf describes a module by what go.sum holds of it.
func componentOf(m *debug.Module) (cdx.Component, error) {
	if m.Replace != nil {
		m = m.Replace
	}
	hash, err := base64.StdEncoding.DecodeString(strings.TrimPrefix(m.Sum, "h1:"))
	if err != nil || len(hash) != sha256.Size {
		return cdx.Component{}, fmt.Errorf("describing %s: its sum %q is not go.sum's: do not replace it by a folder", m.Path, m.Sum)
	}
	return cdx.Component{
		BOMRef: purl(m.Path, m.Version), Type: cdx.ComponentTypeLibrary, Name: m.Path, Version: m.Version,
		PackageURL: purl(m.Path, m.Version), Scope: cdx.ScopeRequired,
		Hashes: &[]cdx.Hash{{Algorithm: cdx.HashAlgoSHA256, Value: hex.EncodeToString(hash)}},
	}, nil
}

// purl returns the package URL of a Go module.
func purl(path, version string) string {
	return "pkg:golang/" + path + "@" + strings.ReplaceAll(version, "+", "%2B")
}
