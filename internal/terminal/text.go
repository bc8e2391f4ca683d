package terminal

import (
	"math"
	"unicode"
	"unicode/utf8"
)

// EscapeText makes text that anyone may have written (a comm, a cgroup path) safe to
// show: what is not printable becomes visible as \x1b, \u202e or \U000e0001, and a
// backslash is doubled so that nothing can pass for an escape. That covers control
// characters, terminal sequences, invalid UTF-8, bidi controls, zero-width and
// invisible characters, spaces other than the plain one, and a combining mark with
// nothing to combine with.
func EscapeText(s string) string {
	if plain(s) {
		return s
	}
	b, _ := appendText(nil, s)
	return string(b)
}

// plain reports whether s is printable ASCII that needs no escape.
func plain(s string) bool {
	for i := range len(s) {
		if s[i] < ' ' || s[i] > '~' || s[i] == '\\' {
			return false
		}
	}
	return true
}

// appendText appends EscapeText(s) and returns the columns it takes.
func appendText(b []byte, s string) ([]byte, int) { return appendCut(b, s, math.MaxInt) }

// appendCut is appendText for text of any length: where it would take more columns than
// room, as much of it as fits before "…". No escape and no character is cut in two.
func appendCut(b []byte, s string, room int) ([]byte, int) {
	if len(s) <= room && plain(s) {
		return append(b, s...), len(s)
	}
	width := 0
	joinable := false        // the rune before can carry a combining mark
	fits, taken := len(b), 0 // what leaves room for "…"
	for i := 0; ; {
		switch {
		case width > room:
			return append(b[:fits], "…"...), taken + 1
		case i == len(s):
			return b, width
		case width < room:
			fits, taken = len(b), width
		}
		r, size := utf8.DecodeRuneInString(s[i:])
		before := len(b)
		switch {
		case r == utf8.RuneError && size == 1:
			b = appendHex(append(b, `\x`...), uint32(s[i]), 2)
		case r == '\\':
			b = append(b, `\\`...)
		case hidden(r) || unicode.Is(unicode.M, r) && !joinable:
			b = appendEscape(b, r)
		default:
			b = utf8.AppendRune(b, r)
			width += runeWidth(r)
			joinable = true
			i += size
			continue
		}
		width += len(b) - before
		joinable = false
		i += size
	}
}

// hidden reports whether r would not show, or would change how its neighbours show.
func hidden(r rune) bool {
	return !unicode.IsPrint(r) ||
		unicode.Is(unicode.Other_Default_Ignorable_Code_Point, r) ||
		unicode.Is(unicode.Variation_Selector, r)
}

// appendEscape writes r in the shortest of Go's forms that cannot be mistaken for
// another: \x is for ASCII and, above it, for single bytes that are no UTF-8.
func appendEscape(b []byte, r rune) []byte {
	switch {
	case r < utf8.RuneSelf:
		return appendHex(append(b, `\x`...), uint32(r), 2)
	case r < 0x10000:
		return appendHex(append(b, `\u`...), uint32(r), 4)
	}
	return appendHex(append(b, `\U`...), uint32(r), 8)
}

func appendHex(b []byte, v uint32, digits int) []byte {
	for shift := 4 * (digits - 1); shift >= 0; shift -= 4 {
		b = append(b, "0123456789abcdef"[v>>shift&0xf])
	}
	return b
}
