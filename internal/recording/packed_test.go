package recording

import (
	"io"

	"porttrace/internal/lifetime"
)

// zstdWriter writes records as one zstd frame, as any tool may have packed a recording.
type zstdWriter struct {
	*Writer
	z *frame
}

func NewZstdWriter(w io.Writer) (*zstdWriter, error) {
	z, err := newFrame()
	if err != nil {
		return nil, err
	}
	z.z.Reset(w)
	return &zstdWriter{NewWriter(z.z), z}, nil
}

func (w *zstdWriter) Flush() error {
	dirty := len(w.buf) > 0
	if err := w.Writer.Flush(); err != nil || !dirty {
		return err
	}
	return w.z.z.Flush()
}

func (w *zstdWriter) Close() error {
	if err := w.Flush(); err != nil {
		return err
	}
	return w.z.z.Close()
}

// sink is what both writers and a File are.
type sink interface {
	Write(*lifetime.Record) error
	Flush() error
	Close() error
}
