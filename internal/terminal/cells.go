package terminal

import (
	"cmp"
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

// appendName writes what others named, escaped and cut at room, or a character for nothing,
// and returns the columns it takes.
func appendName(b []byte, name string, or byte, room int) ([]byte, int) {
	if name == "" {
		return append(b, or), 1
	}
	return appendCut(b, name, room)
}

// appendContainer writes a container's id, a long hexadecimal one by its first twelve
// digits as container tools do, and returns the columns it takes.
func appendContainer(b []byte, id string, room int) ([]byte, int) {
	if len(id) == 64 && isHex(id) {
		id = id[:12]
	}
	return appendName(b, id, '-', room)
}

// appendPod writes a pod as NAMESPACE/NAME, or its uid where no name is known.
func appendPod(b []byte, p *lifetime.Place, room int) ([]byte, int) {
	if p.Pod == "" || p.PodNamespace == "" {
		return appendName(b, cmp.Or(p.Pod, p.PodUID), '-', room)
	}
	b, width := appendCut(b, p.PodNamespace, room)
	if width+2 > room {
		return b, width
	}
	b, more := appendCut(append(b, '/'), p.Pod, room-width-1)
	return b, width + 1 + more
}

// appendUID writes the user's id and returns the columns it takes.
func appendUID(b []byte, o *lifetime.Owner) ([]byte, int) {
	if *o == (lifetime.Owner{}) {
		return append(b, '?'), 1
	}
	before := len(b)
	b = strconv.AppendUint(b, uint64(o.UID), 10)
	return b, len(b) - before
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
