package recording

import "net/netip"

// addr reads an IP address in its plain forms, or null: four decimal numbers, or groups
// of lower-case hexadecimal digits with one :: at most.
func (f *fastLine) addr(a *netip.Addr) bool {
	if !f.literal(`"`) {
		return f.literal(`null`)
	}
	b := f.b[f.i:]
	var n int
	if four, length := addr4(b); length > 0 {
		*a, n = netip.AddrFrom4(four), length
	} else if six, length := addr6(b); length > 0 {
		*a, n = netip.AddrFrom16(six).Unmap(), length
	} else {
		return false
	}
	f.i += n
	return f.literal(`"`)
}

// addr4 returns the IPv4 address that b begins with, and how long it is there, or 0.
func addr4(b []byte) (a [4]byte, length int) {
	i := 0
	for k := range a {
		if k > 0 {
			if i >= len(b) || b[i] != '.' {
				return a, 0
			}
			i++
		}
		start, v := i, 0
		for ; i < len(b) && i-start < 3 && b[i]-'0' < 10; i++ {
			v = v*10 + int(b[i]-'0')
		}
		if i == start || v > 255 || b[start] == '0' && i-start > 1 {
			return a, 0
		}
		a[k] = byte(v)
	}
	return a, i
}

// addr6 is addr4 for IPv6, without zones and without IPv4 in dots.
func addr6(b []byte) (a [16]byte, length int) {
	gap, n, i := -1, 0, 0 // gap: where in a the :: is; n: bytes of a so far
	if len(b) > 1 && b[0] == ':' && b[1] == ':' {
		gap, i = 0, 2
	}
	for n < len(a) {
		start, v := i, 0
		for ; i < len(b) && i-start < 4; i++ {
			d := hexValue(b[i])
			if d < 0 {
				break
			}
			v = v<<4 | d
		}
		if i == start {
			if gap != n {
				return a, 0 // a colon with nothing after it
			}
			break
		}
		a[n], a[n+1] = byte(v>>8), byte(v)
		n += 2
		if n == len(a) || i >= len(b) || b[i] != ':' {
			break
		}
		i++
		if i < len(b) && b[i] == ':' {
			if gap >= 0 {
				return a, 0
			}
			gap = n
			i++
		}
	}
	if (n == len(a)) != (gap < 0) {
		return a, 0 // groups too few, or nothing for the :: to stand for
	}
	if gap >= 0 {
		shift := len(a) - n
		copy(a[gap+shift:], a[gap:n])
		clear(a[gap : gap+shift])
	}
	return a, i
}

func hexValue(c byte) int {
	switch {
	case c-'0' < 10:
		return int(c - '0')
	case c-'a' < 6:
		return int(c-'a') + 10
	}
	return -1
}
