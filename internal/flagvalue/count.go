package flagvalue

import (
	"fmt"
	"strconv"
)

// Count is a whole number from 1 to a maximum. 0 is unset.
type Count struct{ n, most int }

// NewCount returns an unset Count.
func NewCount(most int) Count { return Count{most: most} }

// Set takes decimal digits.
func (c *Count) Set(s string) error {
	n, err := strconv.ParseUint(s, 10, 31)
	if err != nil || n < 1 || int(n) > c.most {
		return fmt.Errorf("%q: want a whole number from 1 to %d", s, c.most)
	}
	c.n = int(n)
	return nil
}

// Int returns the number, 0 where none was given.
func (c *Count) Int() int { return c.n }

// String returns the number, "" where none was given.
func (c *Count) String() string {
	if c.n == 0 {
		return ""
	}
	return strconv.Itoa(c.n)
}

// Type names the value in help texts.
func (*Count) Type() string { return "N" }
