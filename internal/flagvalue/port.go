package flagvalue

import (
	"fmt"
	"strconv"
)

// Port is one port from 1 to 65535. 0 is unset.
type Port uint16

// Set takes decimal digits.
func (p *Port) Set(s string) error {
	n, err := parsePort(s)
	if err != nil {
		return fmt.Errorf("%q: %w", s, err)
	}
	*p = Port(n)
	return nil
}

// String returns the number, "" where none was given.
func (p Port) String() string {
	if p == 0 {
		return ""
	}
	return strconv.Itoa(int(p))
}

// Type names the value in help texts.
func (Port) Type() string { return "N" }
