// Package commandline describes a command line as data, for what is made of it besides
// the parser: the manual page and the completions of shells.
package commandline

// Program is all that can be typed.
type Program struct {
	Name     string
	Version  string
	Date     string // of the version, 2025-11-24; "" unknown
	Commands []Command
}

// Command is one way to call the program.
type Command struct {
	Name     string // "" for the program without a command
	Summary  string // one line
	About    string // a paragraph
	Operands string // what follows the flags, as FILE...; "" for nothing
	// Takes is what the operands name, and Words lists it for Words.
	Takes    Kind
	Words    []string
	Aside    bool // no part of the program's work: not in the list of commands
	Groups   []Group
	Examples []Example
}

// Group is flags under a title.
type Group struct {
	Title string
	Flags []Flag
}

// Example is a whole command line, and what it is good for.
type Example struct{ Line, What string }

// Flag is one flag. At least one of its names is there, without dashes.
type Flag struct {
	Long, Short string
	Value       string // what the value is called, "" for a switch
	Default     string
	Help        string

	Takes   Kind
	Words   []string // for Words
	List    bool     // the value may be several with commas
	Repeats bool     // it may be given again
}

// Kind is what a value or an operand names, as far as a shell can help with it.
type Kind uint8

// The kinds.
const (
	Anything Kind = iota // nothing that could be listed
	Words                // one of a few words
	File                 // a file or folder
	Netns                // a network namespace: a name of ip netns, or a file
	Process              // a process id
	User                 // a user
)

// Flags returns the command's flags in the order of its groups.
func (c *Command) Flags() []Flag {
	var all []Flag
	for i := range c.Groups {
		all = append(all, c.Groups[i].Flags...)
	}
	return all
}

// Names returns the names as they are typed, the short one first.
func (f *Flag) Names() []string {
	var names []string
	if f.Short != "" {
		names = append(names, "-"+f.Short)
	}
	if f.Long != "" {
		names = append(names, "--"+f.Long)
	}
	return names
}
