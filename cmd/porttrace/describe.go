//go:build linux

package main

import (
	"strings"
	"time"

	"github.com/spf13/pflag"

	"porttrace/internal/commandline"
	"porttrace/internal/flagvalue"
)

// described returns the command table and every flag as data.
func described() *commandline.Program {
	b := thisBuild()
	p := &commandline.Program{Name: "porttrace", Version: b.version}
	if !b.date.IsZero() {
		p.Date = b.date.Format(time.DateOnly)
	}
	for _, c := range commands() {
		set := c.flags()
		set.close()
		d := commandline.Command{
			Name: c.name, Summary: c.help, About: strings.Join(strings.Fields(set.about), " "),
			Operands: set.operands, Takes: set.takes, Words: set.words, Aside: c.aside,
		}
		for _, g := range set.groups {
			group := commandline.Group{Title: g.title}
			g.flags.VisitAll(func(f *pflag.Flag) { group.Flags = append(group.Flags, describedFlag(f)) })
			d.Groups = append(d.Groups, group)
		}
		for _, x := range set.examples {
			d.Examples = append(d.Examples, commandline.Example{Line: set.call(x), What: x.what})
		}
		p.Commands = append(p.Commands, d)
	}
	return p
}

func describedFlag(f *pflag.Flag) commandline.Flag {
	d := commandline.Flag{Long: f.Name, Short: f.Shorthand, Help: f.Usage, Value: f.Value.Type()}
	if len(f.Name) == 1 { // -4 and -6 have no long name
		d.Long = ""
	}
	if d.Value == "bool" {
		d.Value = ""
		return d
	}
	d.Default = f.DefValue
	d.List = d.Value == "LIST"
	// Values that add to those given before; the others replace them.
	d.Repeats = d.List || d.Value == "NAME" || strings.HasPrefix(d.Value, "CIDR")
	switch v := f.Value.(type) {
	case interface{ Words() []string }:
		d.Takes, d.Words = commandline.Words, v.Words()
	case *flagvalue.File:
		d.Takes = commandline.File
	case *flagvalue.Netns:
		d.Takes = commandline.Netns
	case *flagvalue.PIDs:
		d.Takes = commandline.Process
	case *flagvalue.UIDs:
		d.Takes = commandline.User
	}
	if d.Value == "PATH" {
		d.Takes = commandline.File
	}
	return d
}
