package flagvalue

import (
	"fmt"
	"slices"
	"strings"
)

// Columns is a choice of a table's columns: which, and in which order, or which beside the
// usual ones.
type Columns struct {
	names []string // all there are
	list  []string // without "+"
	more  bool     // beside the usual ones
}

// NewColumns returns a choice of none among the columns of these names.
func NewColumns(names []string) Columns { return Columns{names: names} }

// Set adds a comma list of names, all of them with a "+" before them or none.
func (c *Columns) Set(list string) error {
	words, err := elements(list)
	if err != nil {
		return err
	}
	chosen, more := slices.Clone(c.list), c.more
	for _, word := range words {
		name, plus := strings.CutPrefix(word, "+")
		if len(chosen) == 0 {
			more = plus
		}
		switch {
		case !slices.Contains(c.names, name):
			return fmt.Errorf("%q: there is no such column: want %s", word, strings.Join(c.names, ", "))
		case plus != more:
			return fmt.Errorf("%q: want a + before each name, which adds it to the usual columns, or before none", word)
		case slices.Contains(chosen, name):
			return fmt.Errorf("%q: a column comes once", name)
		}
		chosen = append(chosen, name)
	}
	c.list, c.more = chosen, more
	return nil
}

// String returns the names as they were set.
func (c *Columns) String() string {
	return joinList(c.list, func(name string) string {
		if c.more {
			return "+" + name
		}
		return name
	})
}

// Type names the value in help texts.
func (*Columns) Type() string { return "LIST" }

// Words are what may be in the list, for completion.
func (c *Columns) Words() []string {
	words := slices.Clone(c.names)
	for _, name := range c.names {
		words = append(words, "+"+name)
	}
	return words
}

// Only returns the names of all columns to show, nil for the usual ones. The caller owns it.
func (c *Columns) Only() []string {
	if c.more {
		return nil
	}
	return slices.Clone(c.list)
}

// More returns the names of columns to show beside the usual ones. The caller owns it.
func (c *Columns) More() []string {
	if !c.more {
		return nil
	}
	return slices.Clone(c.list)
}
