package pool

import "math/bits"

// portSet is a set of ports, one bit each.
type portSet [1 << 16 / 64]uint64

func (s *portSet) add(port uint16)      { s[port>>6] |= 1 << (port & 63) }
func (s *portSet) has(port uint16) bool { return s[port>>6]&(1<<(port&63)) != 0 }

func (s *portSet) len() int {
	n := 0
	for _, word := range s {
		n += bits.OnesCount64(word)
	}
	return n
}

// evens counts the even ones.
func (s *portSet) evens() int {
	const even = 0x5555555555555555
	n := 0
	for _, word := range s {
		n += bits.OnesCount64(word & even)
	}
	return n
}
