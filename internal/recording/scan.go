package recording

import (
	"fmt"
	"iter"
	"strconv"
)

// maxDepth bounds the nesting of values that are skipped.
const maxDepth = 100

// scanner reads the JSON of one line, strictly by RFC 8259 but for strings, whose
// invalid UTF-8 it keeps. encoding/json would replace what surrogates escape, and cost
// ten times as much. The first error stays; after it every call does nothing and
// returns a zero value.
type scanner struct {
	b       []byte
	i       int
	depth   int
	key     []byte // the member being read, for errors
	scratch []byte // the last string with escapes
	err     error
}

func (s *scanner) reset(line []byte) {
	*s = scanner{b: line, key: s.key[:0], scratch: s.scratch[:0]}
}

func (s *scanner) fail(format string, args ...any) {
	if s.err != nil {
		return
	}
	s.err = fmt.Errorf(format, args...)
	if len(s.key) > 0 {
		s.err = fmt.Errorf("%q: %w", s.key, s.err)
	}
}

// next returns the byte that the next token starts with, 0 at the end or after an error.
func (s *scanner) next() byte {
	if s.err != nil {
		return 0
	}
	for s.i < len(s.b) {
		switch c := s.b[s.i]; c {
		case ' ', '\t', '\r', '\n':
			s.i++
		default:
			return c
		}
	}
	return 0
}

func (s *scanner) accept(c byte) bool {
	if s.next() != c {
		return false
	}
	s.i++
	return true
}

func (s *scanner) expect(c byte) bool {
	if !s.accept(c) {
		s.fail("want %q at byte %d", c, s.i+1)
		return false
	}
	return true
}

// end checks that nothing follows.
func (s *scanner) end() {
	s.key = s.key[:0]
	if s.next(); s.err == nil && s.i < len(s.b) {
		s.fail("more than one value: byte %d", s.i+1)
	}
}

// fields yields the keys of an object. The loop's body reads each value. A key is
// valid until then.
func (s *scanner) fields() iter.Seq[[]byte] {
	return func(yield func([]byte) bool) {
		if !s.expect('{') || s.accept('}') {
			return
		}
		for {
			s.key = s.key[:0]
			key := s.str()
			s.key = append(s.key, key...)
			if !s.expect(':') || !yield(key) || s.accept('}') || !s.expect(',') {
				return
			}
		}
	}
}

// elements yields once per element of an array, whose value the loop's body reads.
func (s *scanner) elements() iter.Seq[int] {
	return func(yield func(int) bool) {
		if !s.expect('[') || s.accept(']') {
			return
		}
		for i := 0; yield(i) && !s.accept(']') && s.expect(','); i++ {
		}
	}
}

// skip reads a value of any kind.
func (s *scanner) skip() {
	if s.depth++; s.depth > maxDepth {
		s.fail("nested too deeply")
	}
	switch s.next() {
	case '{':
		for range s.fields() {
			s.skip()
		}
	case '[':
		for range s.elements() {
			s.skip()
		}
	case '"':
		s.str()
	case 't', 'f':
		s.bool()
	case 'n':
		s.null()
	default:
		s.number()
	}
	s.depth--
}

func (s *scanner) literal(word string) bool {
	if s.next() != word[0] || len(s.b)-s.i < len(word) || string(s.b[s.i:s.i+len(word)]) != word {
		return false
	}
	s.i += len(word)
	return true
}

// null reads a null if there is one.
func (s *scanner) null() bool {
	if s.next() != 'n' {
		return false
	}
	if !s.literal("null") {
		s.fail("want null")
	}
	return s.err == nil
}

func (s *scanner) bool() bool {
	if s.null() || s.literal("false") {
		return false
	}
	if !s.literal("true") {
		s.fail("want true or false")
	}
	return s.err == nil
}

// number returns the text of a number.
func (s *scanner) number() []byte {
	s.next()
	start := s.i
	s.sign('-', '-')
	switch {
	case s.sign('0', '0'):
	case s.digits() == 0:
		s.fail("want a number")
		return nil
	}
	if s.sign('.', '.') && s.digits() == 0 {
		s.fail("want a digit after the point")
	}
	if s.sign('e', 'E') {
		s.sign('+', '-')
		if s.digits() == 0 {
			s.fail("want a digit in the exponent")
		}
	}
	return s.b[start:s.i]
}

// sign takes one byte if it is a or b.
func (s *scanner) sign(a, b byte) bool {
	if s.err != nil || s.i == len(s.b) || s.b[s.i] != a && s.b[s.i] != b {
		return false
	}
	s.i++
	return true
}

func (s *scanner) digits() int {
	start := s.i
	for s.err == nil && s.i < len(s.b) && s.b[s.i]-'0' < 10 {
		s.i++
	}
	return s.i - start
}

// uint reads a number of so many bits; null is 0.
func (s *scanner) uint(bits int) uint64 {
	if s.null() {
		return 0
	}
	b := s.number()
	if s.err != nil {
		return 0
	}
	v, err := strconv.ParseUint(string(b), 10, bits)
	if err != nil {
		s.fail("%s is no whole number from 0 to %d", b, ^uint64(0)>>(64-bits))
	}
	return v
}

// int reads a number; null is what the caller says.
func (s *scanner) int(null int64) int64 {
	if s.null() {
		return null
	}
	b := s.number()
	if s.err != nil {
		return null
	}
	v, err := strconv.ParseInt(string(b), 10, 64)
	if err != nil {
		s.fail("%s is no whole number of 64 bits", b)
	}
	return v
}

// count is int for numbers that are unknown when negative.
func (s *scanner) count() int64 { return max(s.int(-1), -1) }

func (s *scanner) float() float64 {
	if s.null() {
		return 0
	}
	b := s.number()
	if s.err != nil {
		return 0
	}
	v, err := strconv.ParseFloat(string(b), 64)
	if err != nil {
		s.fail("%s is out of range", b)
	}
	return v
}
