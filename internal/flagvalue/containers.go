package flagvalue

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
	"unicode"
)

// Containers is a set of containers by name or by the beginning of their ids.
type Containers struct {
	list []string
}

// Set adds a comma list of names and ids.
func (c *Containers) Set(list string) (err error) {
	c.list, err = parseList(c.list, list, parseContainer, cmp.Compare)
	return err
}

// String returns what was set, in order.
func (c *Containers) String() string { return strings.Join(c.list, ",") }

// Type names the value in help texts.
func (*Containers) Type() string { return "ID|NAME" }

// List returns what was set, in order. The caller owns it.
func (c *Containers) List() []string { return slices.Clone(c.list) }

// IsIDPrefix says whether a text is enough of a container's id: four hexadecimal digits or
// more. Less of one would be of too many.
func IsIDPrefix(s string) bool {
	return len(s) >= 4 && strings.Trim(s, "0123456789abcdef") == ""
}

func parseContainer(s string) (string, error) {
	// No runtime's names have any of these; LXC's may have nearly all others.
	if strings.ContainsFunc(s, func(r rune) bool { return r == '/' || unicode.IsSpace(r) || unicode.IsControl(r) }) {
		return "", fmt.Errorf("%q: want a container's name, or 4 or more digits of its id", s)
	}
	return s, nil
}
