package flagvalue

import "errors"

// File is the name of a file. "" is unset.
type File string

// Set takes any name but the empty one.
func (f *File) Set(name string) error {
	if name == "" {
		return errors.New("empty: leave the flag out, or give a file name")
	}
	*f = File(name)
	return nil
}

// String returns the name.
func (f File) String() string { return string(f) }

// Type names the value in help texts.
func (File) Type() string { return "FILE" }
