package terminal

import (
	"net/netip"
	"strconv"

	"porttrace/internal/lifetime"
)

// A cell says "?" for what exists and is not known, and "-" for what there may be none of.

// appendOwner writes comm/pid and returns the columns it takes.
func appendOwner(b []byte, o *lifetime.Owner) ([]byte, int) {
	if o.PID == 0 && o.Comm == "" {
		return append(b, '?'), 1
	}
	width := 1
	if o.Comm == "" {
		b = append(b, '?')
	} else {
		b, width = appendText(b, o.Comm)
	}
	before := len(b)
	b = append(b, '/')
	if o.PID == 0 {
		b = append(b, '?')
	} else {
		b = strconv.AppendUint(b, uint64(o.PID), 10)
	}
	return b, width + len(b) - before
}

// appendContainer writes a container's id, a long hexadecimal one by its first twelve
// digits as container tools do, and returns the columns it takes.
func appendContainer(b []byte, id string) ([]byte, int) {
	if id == "" {
		return append(b, '-'), 1
	}
	if len(id) == 64 && isHex(id) {
		id = id[:12]
	}
	return appendText(b, id)
}

func isHex(s string) bool {
	for i := range len(s) {
		c := s[i]
		if (c < '0' || c > '9') && (c < 'a' || c > 'f') {
			return false
		}
	}
	return true
}

// appendNumber writes a port or inode, whose 0 is "none".
func appendNumber(b []byte, n uint32) []byte {
	if n == 0 {
		return append(b, '-')
	}
	return strconv.AppendUint(b, uint64(n), 10)
}

func appendOr(b []byte, s string, or byte) []byte {
	if s == "" {
		return append(b, or)
	}
	return append(b, s...)
}

// appendAddr leaves out a zone: the kernel's tables have none, and an edited recording
// could make it any text.
func appendAddr(b []byte, a netip.Addr) []byte {
	if !a.IsValid() {
		return append(b, '-')
	}
	return a.Unmap().WithZone("").AppendTo(b)
}

func appendAddrPort(b []byte, a netip.AddrPort) []byte {
	if !a.IsValid() {
		return append(b, '-')
	}
	return netip.AddrPortFrom(a.Addr().Unmap().WithZone(""), a.Port()).AppendTo(b)
}
