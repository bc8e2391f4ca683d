package recording

import (
	"math"
	"net/netip"
	"strconv"
	"unicode/utf8"

	"porttrace/internal/event"
)

const hexDigits = "0123456789abcdef"

// The helpers append a whole member: key is its literal text from comma to colon.

func appendNull(dst []byte, key string) []byte {
	dst = append(dst, key...)
	return append(dst, "null"...)
}

func appendUint(dst []byte, key string, v uint64) []byte {
	dst = append(dst, key...)
	return strconv.AppendUint(dst, v, 10)
}

// appendKnown is appendUint for numbers whose zero means unknown.
func appendKnown(dst []byte, key string, v uint64) []byte {
	if v == 0 {
		return appendNull(dst, key)
	}
	return appendUint(dst, key, v)
}

func appendInt(dst []byte, key string, v int64) []byte {
	dst = append(dst, key...)
	return strconv.AppendInt(dst, v, 10)
}

// appendCount is appendInt for numbers that are unknown when negative.
func appendCount(dst []byte, key string, v int64) []byte {
	if v < 0 {
		return appendNull(dst, key)
	}
	return appendInt(dst, key, v)
}

func appendFloat(dst []byte, key string, v float64) []byte {
	if math.IsNaN(v) || math.IsInf(v, 0) {
		return appendNull(dst, key)
	}
	dst = append(dst, key...)
	return strconv.AppendFloat(dst, v, 'f', -1, 64)
}

// appendName is for names of our own, which need no escaping.
func appendName(dst []byte, key, name string) []byte {
	if name == "" {
		return appendNull(dst, key)
	}
	dst = append(dst, key...)
	dst = append(dst, '"')
	dst = append(dst, name...)
	return append(dst, '"')
}

func appendProto(dst []byte, key string, p event.Proto) []byte {
	switch p {
	case event.TCP, event.UDP:
		return appendName(dst, key, p.String())
	}
	return appendNull(dst, key)
}

func appendPath(dst []byte, key string, p event.Path) []byte {
	if p < firstPath || p > lastPath {
		return appendNull(dst, key)
	}
	return appendName(dst, key, p.String())
}

func appendState(dst []byte, key string, s event.State) []byte {
	if s > lastState {
		return appendNull(dst, key)
	}
	return appendName(dst, key, s.String())
}

func appendReason(dst []byte, key string, r event.Reason) []byte {
	if r < firstReason || r > lastReason {
		return appendNull(dst, key)
	}
	return appendName(dst, key, r.String())
}

// appendAddr writes IPv4-mapped addresses as IPv4 and no zone: events carry none, and
// one made up elsewhere could hold any character.
func appendAddr(dst []byte, key string, a netip.Addr) []byte {
	if !a.IsValid() {
		return appendNull(dst, key)
	}
	dst = append(dst, key...)
	dst = append(dst, '"')
	dst = a.Unmap().WithZone("").AppendTo(dst)
	return append(dst, '"')
}

// appendText writes bytes of others; "" means unknown.
func appendText(dst []byte, key, s string) []byte {
	if s == "" {
		return appendNull(dst, key)
	}
	return appendString(dst, key, s)
}

// appendIfKnown is appendText for members that are left out where they are unknown.
func appendIfKnown(dst []byte, key, s string) []byte {
	if s == "" {
		return dst
	}
	return appendString(dst, key, s)
}

// AppendString appends s as a JSON string, with any bytes it has: see the package comment.
func AppendString(dst []byte, s string) []byte { return appendString(dst, "", s) }

func appendString(dst []byte, key, s string) []byte {
	dst = append(dst, key...)
	dst = append(dst, '"')
	start := 0
	for i := 0; i < len(s); {
		if b := s[i]; b >= ' ' && b != '"' && b != '\\' && b < 0x7f {
			i++
			continue
		}
		dst = append(dst, s[start:i]...)
		n := 0
		dst, n = appendSpecial(dst, s[i:])
		i += n
		start = i
	}
	dst = append(dst, s[start:]...)
	return append(dst, '"')
}

// appendSpecial writes the character that s begins with, which is not plain ASCII, and
// returns how many bytes of s it took.
func appendSpecial(dst []byte, s string) ([]byte, int) {
	switch s[0] {
	case '"', '\\':
		return append(dst, '\\', s[0]), 1
	case '\n':
		return append(dst, `\n`...), 1
	case '\r':
		return append(dst, `\r`...), 1
	case '\t':
		return append(dst, `\t`...), 1
	}
	r, n := utf8.DecodeRuneInString(s)
	switch {
	case r == utf8.RuneError && n == 1:
		return appendEscape(dst, 0xdc00|rune(s[0])), 1
	case r < ' ', r >= 0x7f && r < 0xa0, r == 0x2028, r == 0x2029:
		// Line breaks to some readers, commands to some terminals.
		return appendEscape(dst, r), n
	}
	return append(dst, s[:n]...), n
}

func appendEscape(dst []byte, r rune) []byte {
	return append(dst, '\\', 'u', hexDigits[r>>12&15], hexDigits[r>>8&15], hexDigits[r>>4&15], hexDigits[r&15])
}
