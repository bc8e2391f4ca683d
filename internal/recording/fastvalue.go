package recording

import (
	"encoding/binary"
	"math/bits"
	"time"

	"porttrace/internal/event"
)

// The names as they stand in a line.
var (
	pathValues   = quoted(firstPath, lastPath, ``)
	stateValues  = quoted(firstState, lastState, ``)
	reasonValues = quoted(firstReason, lastReason, ``)
	stateKeys    = quoted(firstState, lastState, `:`)
)

// quoted returns the names from first to last, each in quotes with what follows it.
func quoted[T named](first, last T, after string) []string {
	var out []string
	for v := first; v <= last; v++ {
		out = append(out, `"`+v.String()+`"`+after)
	}
	return out
}

func (f *fastLine) literal(s string) bool {
	if rest := f.b[f.i:]; len(rest) < len(s) || string(rest[:len(s)]) != s {
		return false
	}
	f.i += len(s)
	return true
}

// known reads a number of so many bits, or null, which is 0.
func (f *fastLine) known(v *uint64, bits uint) bool {
	return f.number(v, bits) || f.literal(`null`)
}

func (f *fastLine) duration(d *time.Duration) bool {
	var v uint64
	ok := f.number(&v, 63)
	*d = time.Duration(v)
	return ok
}

// number reads a number of so many bits, without sign, point, exponent or leading
// zeros. It moves only if it finds one.
func (f *fastLine) number(v *uint64, bits uint) bool {
	b := f.b[f.i:]
	n, i := uint64(0), 0
	if len(b) >= 16 {
		n, i = leadingDigits(binary.LittleEndian.Uint64(b))
		if i == 8 {
			more, digits := leadingDigits(binary.LittleEndian.Uint64(b[8:]))
			n, i = n*powers[digits]+more, i+digits
		}
	}
	for ; i < len(b) && b[i]-'0' < 10; i++ { // of a very long number, or at the line's end
		d := uint64(b[i] - '0')
		if i >= 19 && (i > 19 || n > ^uint64(0)/10 || n*10 > ^d) {
			return false
		}
		n = n*10 + d
	}
	if i == 0 || b[0] == '0' && i > 1 || n>>(bits-1)>>1 != 0 {
		return false
	}
	*v = n
	f.i += i
	return true
}

const (
	lowBits  = 0x0101010101010101
	highBits = 0x8080808080808080
)

var powers = [...]uint64{1, 1e1, 1e2, 1e3, 1e4, 1e5, 1e6, 1e7, 1e8}

// leadingDigits reads the number that up to eight bytes begin with, loaded as a
// little-endian word, and tells how many digits it has.
func leadingDigits(w uint64) (uint64, int) {
	w ^= '0' * lowBits
	n := bits.TrailingZeros64((w|(w+6*lowBits))&(0xf0*lowBits)) / 8 // 8 if all are digits
	return joinDigits(w << (64 - 8*n)), n
}

// eightDigits reads a number of eight digits.
func eightDigits(w uint64) (uint64, bool) {
	w ^= '0' * lowBits
	return joinDigits(w), (w|(w+6*lowBits))&(0xf0*lowBits) == 0
}

// joinDigits makes one number of eight digits, the first in the lowest byte: of pairs,
// then fours, then all, each step for all of them at once.
func joinDigits(w uint64) uint64 {
	const even = 0x000000ff000000ff
	w = w*10 + w>>8
	return (w&even*(100+1000000<<32) + w>>16&even*(1+10000<<32)) >> 32
}

// text reads a string without escapes, or null, which is empty.
func (f *fastLine) text(s *string) bool {
	if !f.literal(`"`) {
		return f.literal(`null`)
	}
	start := f.i
	hash := uint64(0)
	for ; len(f.b)-f.i >= 8; f.i += 8 {
		w := binary.LittleEndian.Uint64(f.b[f.i:])
		// A byte's high bit, where it is '"', '\\' or below ' '. A borrow makes bytes
		// after the first such byte look like one too, which does not matter.
		quote, slash := w^'"'*lowBits, w^'\\'*lowBits
		special := ((quote-lowBits)&^quote | (slash-lowBits)&^slash | (w-' '*lowBits)&^w) & highBits
		if special != 0 {
			n := bits.TrailingZeros64(special) / 8
			f.i += n
			hash = bits.RotateLeft64(hash, 5) ^ w&(1<<(8*n)-1)
			return f.endText(start, hash, s)
		}
		hash = bits.RotateLeft64(hash, 5) ^ w
	}
	for f.i < len(f.b) && f.b[f.i] >= ' ' && f.b[f.i] != '"' && f.b[f.i] != '\\' {
		hash = bits.RotateLeft64(hash, 5) ^ uint64(f.b[f.i])
		f.i++
	}
	return f.endText(start, hash, s)
}

func (f *fastLine) endText(start int, hash uint64, s *string) bool {
	if !f.literal(`"`) {
		return false
	}
	*s = f.texts.hashed(f.b[start:f.i-1], hash)
	return true
}

func (f *fastLine) proto(p *event.Proto) bool {
	switch {
	case f.literal(`"tcp"`):
		*p = event.TCP
	case f.literal(`"udp"`):
		*p = event.UDP
	default:
		return f.literal(`null`)
	}
	return true
}

func (f *fastLine) path(p *event.Path) bool {
	n, ok := f.oneOf(pathValues)
	if ok {
		*p = firstPath + event.Path(n)
	}
	return ok || f.literal(`null`)
}

func (f *fastLine) reason(r *event.Reason) bool {
	n, ok := f.oneOf(reasonValues)
	if ok {
		*r = firstReason + event.Reason(n)
	}
	return ok || f.literal(`null`)
}

func (f *fastLine) state(s *event.State) bool {
	n, ok := f.oneOf(stateValues)
	*s = firstState + event.State(n)
	return ok // null is more than a value here: see decoder.hold
}

func (f *fastLine) oneOf(values []string) (int, bool) {
	for i, value := range values {
		if f.literal(value) {
			return i, true
		}
	}
	return 0, false
}
