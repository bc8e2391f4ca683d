package recording

import (
	"bytes"
	"encoding/binary"
	"reflect"
	"runtime"
	"strings"
	"testing"

	"github.com/klauspost/compress/zstd"

	"porttrace/internal/lifetime"
)

// pack compresses in as one frame.
func pack(tb testing.TB, in []byte) []byte {
	enc, err := zstd.NewWriter(nil, zstd.WithEncoderConcurrency(1))
	if err != nil {
		tb.Fatal(err)
	}
	return enc.EncodeAll(in, nil)
}

// parts are two recordings of one trace, each of several compressed blocks.
func parts(t *testing.T) (frames [2][]byte, records [2][]*lifetime.Record) {
	g := newGenerator(9)
	for i := range frames {
		var out bytes.Buffer
		w, err := NewZstdWriter(&out)
		if err != nil {
			t.Fatal(err)
		}
		for n := range 60 {
			r := g.record(lifetime.Assign)
			if n == 0 {
				r = g.record(lifetime.Start)
			}
			records[i] = append(records[i], r)
			if err := w.Write(r); err != nil {
				t.Fatal(err)
			}
			if n%25 == 0 {
				if err := w.Flush(); err != nil {
					t.Fatal(err)
				}
			}
		}
		if err := w.Close(); err != nil {
			t.Fatal(err)
		}
		frames[i] = out.Bytes()
	}
	return frames, records
}

// However a rotated, joined recording ends, what is before the cut is read.
func TestTornFrames(t *testing.T) {
	frames, records := parts(t)
	joined := append(bytes.Clone(frames[0]), frames[1]...)
	all := append(records[0], records[1]...)
	check := func(in []byte, least int, wantTorn bool) {
		t.Helper()
		got, torn, err := read(in)
		if err != nil || torn != wantTorn || len(got) < least || len(got) > len(all) {
			t.Fatalf("%d bytes of %d: %d records of at least %d, torn %v, %v", len(in), len(joined), len(got), least, torn, err)
		}
		if !reflect.DeepEqual(got, all[:len(got)]) {
			t.Fatalf("%d bytes: different records", len(in))
		}
	}
	check(joined, len(all), false)
	for cut := len(joined); cut >= len(frames[0]); cut-- {
		if in := cut - len(frames[0]); in > 30 && in < len(frames[1])-30 && in%41 != 0 {
			continue
		}
		whole := cut == len(joined) || cut == len(frames[0])
		least := len(records[0])
		if cut == len(joined) {
			least = len(all)
		}
		check(joined[:cut], least, !whole)
		for _, zeros := range []int{1, 5, 9000} {
			in := append(bytes.Clone(joined[:cut]), make([]byte, zeros)...)
			check(in, least, true)
		}
	}
}

// What is damaged in the middle is an error, not an end.
func TestDamagedFrames(t *testing.T) {
	frames, records := parts(t)
	for _, at := range []int{len(frames[0]) / 2, len(frames[0]) - 1} {
		in := append(bytes.Clone(frames[0]), frames[1]...)
		in[at] ^= 0x55
		if got, torn, err := read(in); err == nil || torn || len(got) > len(records[0]) {
			t.Errorf("byte %d: %d records, torn %v, %v", at, len(got), torn, err)
		}
	}
	gap := append(append(bytes.Clone(frames[0]), make([]byte, 9000)...), frames[1]...)
	if got, torn, err := read(gap); err == nil || torn || len(got) != len(records[0]) {
		t.Errorf("zeros between: %d records, torn %v, %v", len(got), torn, err)
	}
}

// Joined parts of a rotated recording have a start record each.
func TestRotatedParts(t *testing.T) {
	var plain []byte
	var want []*lifetime.Record
	for part := range 3 {
		for _, r := range examples() {
			if r.Type == lifetime.Start {
				r.Start.Part = part + 1
			}
			want = append(want, r)
			plain = AppendRecord(plain, r)
		}
	}
	third := len(plain) / 3
	packed := append(pack(t, plain[:third]), pack(t, plain[third:])...) // frames need not end with lines
	for name, in := range map[string][]byte{"plain": plain, "zstd": packed} {
		if got, torn, err := read(in); err != nil || torn || !reflect.DeepEqual(got, want) {
			t.Errorf("%s: %d records of %d, torn %v, %v", name, len(got), len(want), torn, err)
		}
	}
}

// bomb is a frame of so many times 128 KiB of one byte, after the beginning of a line.
func bomb(blocks int, filler byte) []byte {
	const blockSize = 128 << 10
	const head = `{"type":"x","a":"`
	raw, rle := uint32(0), uint32(1)
	b := append([]byte{}, zstdMagic...)
	b = append(b, 0, 0x50) // no size, no checksum; a window of 1 MiB
	block := func(kind, size uint32) {
		b = append(b, binary.LittleEndian.AppendUint32(nil, size<<3|kind<<1)[:3]...)
	}
	block(raw, uint32(len(head)))
	b = append(b, head...)
	for range blocks {
		block(rle, blockSize)
		b = append(b, filler)
	}
	return b
}

func TestBombs(t *testing.T) {
	wide := append([]byte{}, zstdMagic...)
	wide = append(wide, 0, 0xb8, 1, 0, 0) // a window of 8 GiB
	for name, test := range map[string]struct {
		in   []byte
		want string
	}{
		"endless line":          {bomb(1<<13, 'x'), "line 1: longer than 1048576 bytes"},
		"endless line of zeros": {bomb(1<<13, 0), "line 1: longer than 1048576 bytes"},
		"window":                {wide, "window size"},
	} {
		var before, after runtime.MemStats
		runtime.ReadMemStats(&before)
		_, torn, err := read(test.in)
		runtime.ReadMemStats(&after)
		if err == nil || torn || !strings.Contains(err.Error(), test.want) {
			t.Errorf("%s: torn %v, %v", name, torn, err)
		}
		if used := after.TotalAlloc - before.TotalAlloc; used > 24<<20 {
			t.Errorf("%s: took %d bytes", name, used)
		}
	}
}
