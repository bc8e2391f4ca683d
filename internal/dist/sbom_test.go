package main

import (
	"bytes"
	"debug/buildinfo"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	cdx "github.com/CycloneDX/cyclonedx-go"
	"github.com/santhosh-tekuri/jsonschema/v6"
)

// schema is the one of the standard, which comes with the library's source.
func schema(t *testing.T) *jsonschema.Schema {
	t.Helper()
	dir := strings.TrimSpace(said(t, "go", "list", "-m", "-f", "{{.Dir}}", "github.com/CycloneDX/cyclonedx-go"))
	compiler := jsonschema.NewCompiler()
	for _, name := range []string{"bom-1.6.schema.json", "spdx.schema.json", "jsf-0.82.schema.json"} {
		data, err := os.ReadFile(filepath.Join(dir, "schema", name))
		if os.IsNotExist(err) {
			data, err = os.ReadFile(filepath.Join(dir, "schema", strings.Replace(name, "schema.json", "schemax.json", 1)))
		}
		if err != nil {
			t.Fatal(err)
		}
		doc, err := jsonschema.UnmarshalJSON(bytes.NewReader(data))
		if err == nil {
			err = compiler.AddResource("http://cyclonedx.org/schema/"+name, doc)
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	s, err := compiler.Compile("http://cyclonedx.org/schema/bom-1.6.schema.json")
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func TestSBOM(t *testing.T) {
	s := schema(t)
	for _, arch := range architectures {
		data, err := os.ReadFile(file(t, "_linux_"+arch+".cdx.json"))
		if err != nil {
			t.Fatal(err)
		}
		doc, err := jsonschema.UnmarshalJSON(bytes.NewReader(data))
		if err != nil {
			t.Fatal(err)
		}
		if err := s.Validate(doc); err != nil {
			t.Errorf("for %s: %v", arch, err)
		}
		var bom cdx.BOM
		if err := cdx.NewBOMDecoder(bytes.NewReader(data), cdx.BOMFileFormatJSON).Decode(&bom); err != nil {
			t.Fatal(err)
		}
		info, err := buildinfo.ReadFile(file(t, "_linux_"+arch))
		if err != nil {
			t.Fatal(err)
		}
		want := []string{"std " + strings.TrimPrefix(info.GoVersion, "go")}
		for _, m := range info.Deps {
			want = append(want, m.Path+" "+m.Version)
		}
		var got []string
		for _, c := range *bom.Components {
			got = append(got, c.Name+" "+c.Version)
		}
		if !slices.Equal(got, want) {
			t.Errorf("it lists %q, want %q", got, want)
		}
		sums, err := os.ReadFile(filepath.Join(filepath.Dir(file(t, "")), sumsName))
		if err != nil {
			t.Fatal(err)
		}
		hash := (*bom.Metadata.Component.Hashes)[0].Value
		if line := fmt.Sprintf("%s  porttrace_1.2.3_linux_%s\n", hash, arch); !strings.Contains(string(sums), line) {
			t.Errorf("its sum of the program is %s", hash)
		}
	}
}
