//go:build linux

package main

import (
	"bytes"
	"flag"
	"os"
	"path/filepath"
	"testing"

	"porttrace/internal/pipeline"
	"porttrace/internal/terminal"
)

var update = flag.Bool("update", false, "rewrite the golden files")

// A recording shows the same table as the trace did. testdata/replay.jsonl is a trace
// with --states of one process in a namespace of three usable ports.
func TestReplay(t *testing.T) {
	data := readFile(t, filepath.Join("testdata", "replay.jsonl"))
	wantJSONLines(t, data)
	records := whole(t, data)
	for golden, options := range map[string]terminal.Options{
		"replay.table":        {},
		"replay-states.table": {States: true},
		"replay-80.table":     {Width: 80},
		"replay-200.table":    {Width: 200, Color: true},
	} {
		t.Run(golden, func(t *testing.T) {
			var got bytes.Buffer
			var table pipeline.Sink = terminal.New(&got, options)
			for _, r := range records {
				if err := table.Write(r); err != nil {
					t.Fatal(err)
				}
			}
			if err := table.Flush(); err != nil {
				t.Fatal(err)
			}
			path := filepath.Join("testdata", golden)
			if *update {
				if err := os.WriteFile(path, got.Bytes(), 0o644); err != nil {
					t.Fatal(err)
				}
			}
			if want := readFile(t, path); !bytes.Equal(got.Bytes(), want) {
				t.Errorf("the table is\n%s\nwant (see what -update changes):\n%s", &got, want)
			}
		})
	}
}
