package recording

import (
	"bytes"
	"encoding/binary"
	"math/bits"
)

const (
	memoSets = 1 << 9  // a power of two
	memoText = 2 << 10 // the longest text kept: with the sets a bound on memory
)

// memo knows what parts of lines mean that come again and again: who, from where, to
// where. Equal bytes mean the same, so that a part is compared instead of read.
type memo[T any] [memoSets]memoSet[T]

// memoSet keeps the last two parts that fell to it, in memory of its own: it allocates
// no more once it has seen a few.
type memoSet[T any] [2]struct {
	text  []byte
	value T
}

// at returns where a part that b begins with would be kept, by the bytes b[from:to],
// whole words: those that tell parts apart, and no more than the shortest part has,
// with what always follows it.
func (m *memo[T]) at(b []byte, from, to int) *memoSet[T] {
	if len(b) < to {
		return &m[0]
	}
	hash := uint64(0)
	for b = b[from:to]; len(b) >= 8; b = b[8:] {
		hash = bits.RotateLeft64(hash, 23) ^ binary.LittleEndian.Uint64(b)*golden
	}
	return &m[hash*golden/(1<<64/memoSets)]
}

// find puts into value what b begins with and returns how long it is, or 0.
func (s *memoSet[T]) find(b []byte, value *T) int {
	for i := range s {
		if p := &s[i]; len(p.text) > 0 && bytes.HasPrefix(b, p.text) {
			*value = p.value
			return len(p.text)
		}
	}
	return 0
}

// keep puts a part that was read well in the place of the older of two.
func (s *memoSet[T]) keep(text []byte, value *T, ok bool) {
	if !ok || len(text) > memoText {
		return
	}
	s[0], s[1] = s[1], s[0]
	s[0].text = append(s[0].text[:0], text...)
	s[0].value = *value
}
