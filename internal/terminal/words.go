package terminal

import (
	"math"
	"net/netip"
	"strconv"
	"time"

	"porttrace/internal/lifetime"
)

// The words of the table, for other texts about the same things.

// Duration returns d as the table writes it, in at most six columns: 2.3ms, 60.9s, 2h03m.
// It is cut, never rounded up; "?" is an unknown, negative one.
func Duration(d time.Duration) string { return string(appendDuration(nil, d)) }

// Owner returns comm/pid, escaped, "?" for what is not known.
func Owner(o *lifetime.Owner) string {
	b, _ := appendOwner(nil, o)
	return string(b)
}

// Container returns a container's id, short and escaped, "-" for none.
func Container(id string) string {
	b, _ := appendContainer(nil, id, math.MaxInt)
	return string(b)
}

// Addr returns the address, "-" for none.
func Addr(a netip.Addr) string { return string(appendAddr(nil, a)) }

// AddrPort returns the address and port, "-" for none.
func AddrPort(a netip.AddrPort) string { return string(appendAddrPort(nil, a)) }

// Count returns the number and what it is of, of which there may be one: "1 event".
func Count(n uint64, what string) string {
	if n != 1 {
		what += "s"
	}
	return strconv.FormatUint(n, 10) + " " + what
}

// Columns returns how many columns of a terminal text takes that EscapeText made or that is
// our own.
func Columns(s string) int { return textWidth([]byte(s)) }

// Titles returns the titles of all columns that a table can have.
func Titles() []string {
	all := make([]string, len(kinds))
	for id := range kinds {
		all[id] = kinds[id].title
	}
	return all
}
