package recording

import (
	"bytes"
	"io"
	"testing"

	"porttrace/internal/lifetime"
)

func BenchmarkAppendRecord(b *testing.B) {
	for _, r := range examples() {
		if r.Type != lifetime.Assign && r.Type != lifetime.Release {
			continue
		}
		b.Run(map[lifetime.Type]string{lifetime.Assign: "assign", lifetime.Release: "release"}[r.Type], func(b *testing.B) {
			b.ReportAllocs()
			var buf []byte
			for b.Loop() {
				buf = AppendRecord(buf[:0], r)
			}
			b.SetBytes(int64(len(buf)))
		})
	}
}

func BenchmarkWriter(b *testing.B) {
	zstd, err := NewZstdWriter(io.Discard)
	if err != nil {
		b.Fatal(err)
	}
	recs := examples()[2:10]
	for name, w := range map[string]*Writer{"plain": NewWriter(io.Discard), "zstd": zstd} {
		b.Run(name, func(b *testing.B) {
			b.ReportAllocs()
			i := 0
			for b.Loop() {
				if err := w.Write(recs[i%len(recs)]); err != nil {
					b.Fatal(err)
				}
				i++
			}
		})
	}
}

func BenchmarkReader(b *testing.B) {
	var one []byte
	for _, r := range examples() {
		if r.Type == lifetime.Assign || r.Type == lifetime.Release {
			one = AppendRecord(one, r)
		}
	}
	data := bytes.Repeat(one, 1000)
	b.ReportAllocs()
	b.SetBytes(int64(len(data)) / 2000)
	r := NewReader(bytes.NewReader(data))
	for b.Loop() {
		if _, err := r.Read(); err == io.EOF {
			r = NewReader(bytes.NewReader(data))
		} else if err != nil {
			b.Fatal(err)
		}
	}
}
