package recording

import (
	"bytes"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
	"time"

	"github.com/klauspost/compress/zstd"

	"porttrace/internal/lifetime"

	"porttrace/internal/testutil/need"
)

// frames packs n batches of lines, each flushed, and returns what came of each frame.
func frames(t *testing.T, n int, grow func(*frame)) (frames [][]byte, lines []byte) {
	t.Helper()
	f, err := newFrame()
	if err != nil {
		t.Fatal(err)
	}
	g := newGenerator(11)
	var present []byte
	for i := range n {
		var batch []byte
		for range 50 {
			batch = AppendRecord(batch, g.record(lifetime.Release))
		}
		lines = append(lines, batch...)
		out, err := f.pack(batch, i == n-1)
		if err != nil || len(out) == 0 {
			t.Fatalf("%d bytes, %v", len(out), err)
		}
		present = append(present, out...)
		if f.wrote(); f.lines == 0 {
			frames, present = append(frames, present), nil
		}
		grow(f)
	}
	if len(present) != 0 {
		t.Error("the last frame is not ended")
	}
	return frames, lines
}

func TestFramesDecodeAlone(t *testing.T) {
	z, err := zstd.NewReader(nil)
	if err != nil {
		t.Fatal(err)
	}
	defer z.Close()
	for what, grow := range map[string]func(*frame){
		"by size": func(f *frame) { f.begun = time.Now() },
		"by age":  func(f *frame) { f.begun = f.begun.Add(-frameAge / 3) },
	} {
		packed, lines := frames(t, 200, grow)
		var all []byte
		for _, one := range packed {
			got, err := z.DecodeAll(one, nil)
			if err != nil || len(got) == 0 || got[len(got)-1] != '\n' || got[0] != '{' {
				t.Fatalf("%s: %d bytes, %v", what, len(got), err)
			}
			if what == "by size" && (len(got) > frameSize+flushAt || len(got) < frameSize && len(all)+len(got) < len(lines)) {
				t.Errorf("%s: a frame of %d bytes", what, len(got))
			}
			all = append(all, got...)
		}
		if !bytes.Equal(all, lines) {
			t.Errorf("%s: the lines differ", what)
		}
		if what == "by age" && len(packed) < 200/4 {
			t.Errorf("%s: %d frames", what, len(packed))
		}
	}
}

func TestFrameOfNothing(t *testing.T) {
	f, err := newFrame()
	if err != nil {
		t.Fatal(err)
	}
	if out, err := f.pack(nil, true); len(out) != 0 || err != nil {
		t.Errorf("%x, %v", out, err)
	}
}

// Without anything more to write, the frame ends all the same, for tools that want whole ones.
func TestIdleFrameEnds(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "x.jsonl.zst")
	f, _ := create(t, path, Options{})
	begin(t, f)
	write(t, f, 0, 10)
	if err := f.Flush(); err != nil {
		t.Fatal(err)
	}
	eventually(t, "the frame ends", func() bool {
		c := contentsOf(t, path)
		return len(c.ids) == 10 && !c.torn
	})
}

// What a crash leaves is of use to the tool everybody has.
func TestZstdToolReadsACrashedRecording(t *testing.T) {
	tool, err := exec.LookPath("zstd")
	need.That(t, err == nil, "zstd (Debian package zstd)")
	packed, lines := frames(t, 60, func(*frame) {})
	last := packed[len(packed)-1]
	cut := append(bytes.Join(packed[:len(packed)-1], nil), last[:len(last)/2]...)
	path := filepath.Join(t.TempDir(), "x.jsonl.zst")
	if err := os.WriteFile(path, cut, 0o600); err != nil {
		t.Fatal(err)
	}
	got, err := exec.Command(tool, "-dc", path).Output()
	if err == nil {
		t.Error("zstd did not say that it is cut")
	}
	z, err := zstd.NewReader(nil)
	if err != nil {
		t.Fatal(err)
	}
	defer z.Close()
	whole, err := z.DecodeAll(bytes.Join(packed[:len(packed)-1], nil), nil)
	if err != nil || len(whole) == 0 || len(got) < len(whole) || !bytes.HasPrefix(lines, got) {
		t.Errorf("%d bytes of at least %d, %v", len(got), len(whole), err)
	}
}
