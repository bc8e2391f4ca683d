package flagvalue

import (
	"fmt"
	"slices"
	"strings"
)

// Choice is one word out of a few.
type Choice struct {
	word  string
	words []string
}

// NewChoice returns a choice among words, set to the first.
func NewChoice(words ...string) Choice { return Choice{words[0], words} }

// Set takes one of the words.
func (c *Choice) Set(s string) error {
	if !slices.Contains(c.words, s) {
		return fmt.Errorf("%q: want %s", s, strings.Join(c.words, " or "))
	}
	c.word = s
	return nil
}

// String returns the word.
func (c *Choice) String() string { return c.word }

// Type names the value in help texts.
func (c *Choice) Type() string { return strings.Join(c.words, "|") }

// Words are what may be given, for completion.
func (c *Choice) Words() []string { return c.words }
