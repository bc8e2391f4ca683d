package recording

import (
	"unicode/utf16"
	"unicode/utf8"
)

// bytes is str, but null is empty.
func (s *scanner) bytes() []byte {
	if s.null() {
		return nil
	}
	return s.str()
}

// str reads a string, unescaped. The result is valid until the next string is read.
func (s *scanner) str() []byte {
	if !s.expect('"') {
		return nil
	}
	start := s.i
	for ; s.i < len(s.b); s.i++ {
		switch c := s.b[s.i]; {
		case c == '"':
			s.i++
			return s.b[start : s.i-1]
		case c == '\\':
			return s.unescape(start)
		case c < ' ':
			s.fail("control character %#02x in a string", c)
			return nil
		}
	}
	s.fail("string without end")
	return nil
}

// unescape goes on from the first backslash of a string that began at start.
func (s *scanner) unescape(start int) []byte {
	s.scratch = append(s.scratch[:0], s.b[start:s.i]...)
	for s.i < len(s.b) {
		c := s.b[s.i]
		s.i++
		switch {
		case c == '"':
			return s.scratch
		case c == '\\':
			s.escape()
		case c < ' ':
			s.fail("control character %#02x in a string", c)
		default:
			s.scratch = append(s.scratch, c)
		}
		if s.err != nil {
			return nil
		}
	}
	s.fail("string without end")
	return nil
}

func (s *scanner) escape() {
	if s.i == len(s.b) {
		return // "string without end" follows
	}
	c := s.b[s.i]
	s.i++
	switch c {
	case '"', '\\', '/':
		s.scratch = append(s.scratch, c)
	case 'b':
		s.scratch = append(s.scratch, '\b')
	case 'f':
		s.scratch = append(s.scratch, '\f')
	case 'n':
		s.scratch = append(s.scratch, '\n')
	case 'r':
		s.scratch = append(s.scratch, '\r')
	case 't':
		s.scratch = append(s.scratch, '\t')
	case 'u':
		s.unicode()
	default:
		s.fail("unknown escape %q", c)
	}
}

func (s *scanner) unicode() {
	r := s.hex4(s.i)
	if r < 0 {
		s.fail("want four hexadecimal digits after \\u")
		return
	}
	s.i += 4
	if s.i+1 < len(s.b) && s.b[s.i] == '\\' && s.b[s.i+1] == 'u' {
		if pair := utf16.DecodeRune(r, s.hex4(s.i+2)); pair != utf8.RuneError {
			s.scratch = utf8.AppendRune(s.scratch, pair)
			s.i += 6
			return
		}
	}
	if r >= 0xdc80 && r <= 0xdcff {
		s.scratch = append(s.scratch, byte(r)) // see the package comment
		return
	}
	s.scratch = utf8.AppendRune(s.scratch, r)
}

// hex4 returns the number written at i, -1 if there is none.
func (s *scanner) hex4(i int) rune {
	if i+4 > len(s.b) {
		return -1
	}
	var r rune
	for _, c := range s.b[i : i+4] {
		switch {
		case c >= '0' && c <= '9':
			c -= '0'
		case c|0x20 >= 'a' && c|0x20 <= 'f':
			c = c | 0x20 - 'a' + 10
		default:
			return -1
		}
		r = r<<4 | rune(c)
	}
	return r
}
