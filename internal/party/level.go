// Package party groups the owners of ports as people ask for them: by process, program,
// unit, container, pod, user or network namespace.
package party

import (
	"cmp"
	"slices"
	"strings"

	"porttrace/internal/lifetime"
)

// Level is what owners have in common.
type Level uint8

// The levels.
const (
	Process Level = iota
	Exe
	Unit
	Container
	Pod
	User
	NetNS
)

// levels are the names that flags and JSON have, and a table's title.
var levels = [...]struct{ name, plural, title string }{
	Process:   {"process", "processes", "Processes"},
	Exe:       {"exe", "exes", "Executables"},
	Unit:      {"unit", "units", "Units"},
	Container: {"container", "containers", "Containers"},
	Pod:       {"pod", "pods", "Pods"},
	User:      {"user", "users", "Users"},
	NetNS:     {"netns", "netns", "Network namespaces"},
}

// Names returns the names of all levels.
func Names() []string {
	var names []string
	for _, l := range levels {
		names = append(names, l.name)
	}
	return names
}

// LevelOf returns the level of a name; of another than Names has, it is Process.
func LevelOf(name string) Level {
	return Level(max(0, slices.Index(Names(), name)))
}

// String returns the name.
func (l Level) String() string { return levels[l].name }

// Plural returns the name of a list of its parties.
func (l Level) Plural() string { return levels[l].plural }

// Title returns what to write over a table of its parties.
func (l Level) Title() string { return levels[l].title }

// Key tells the parties of one level on one host apart. The zero Key is that of all owners
// of whom the level is not known, or that have none.
type Key struct {
	id, sub string // sub: what is the system's in id is a user's
	number  uint32
	known   bool
}

// Compare orders keys, the unknown one first.
func (k Key) Compare(other Key) int {
	return cmp.Or(strings.Compare(k.id, other.id), strings.Compare(k.sub, other.sub), cmp.Compare(k.number, other.number))
}

// IsKnown says whether it is the key of a party.
func (k Key) IsKnown() bool { return k.known }

// Label is what is known of a party besides its key. It may be learned later.
type Label struct {
	place lifetime.Interned[lifetime.Place]
	name  lifetime.Interned[string]
}

// Learn takes in what is told of the same party elsewhere. What has been known stays, if
// it is not known there.
func (l *Label) Learn(told Label) {
	if told.place != l.place && named(told.place) >= named(l.place) {
		l.place = told.place
	}
	if told.name != (lifetime.Interned[string]{}) {
		l.name = told.name
	}
}

// Place is where the party, or one of it, was seen last.
func (l *Label) Place() lifetime.Place { return l.place.Value() }

// named says how much of a place is known that its path does not tell.
func named(in lifetime.Interned[lifetime.Place]) int {
	p, n := in.Value(), 0
	if p != (lifetime.Place{}) {
		n++
	}
	if p.ContainerName != "" {
		n++
	}
	if p.Pod != "" {
		n++
	}
	return n
}

// Of returns whose a hold or failure is, of this owner in this network namespace. Processes
// have no keys: who counts them has names of its own for them.
func (l Level) Of(o *lifetime.Owner, netns uint32, name lifetime.Interned[string]) (Key, Label) {
	switch p := o.Place.Value(); {
	case l == NetNS:
		return Key{number: netns, known: netns != 0}, Label{name: name}
	case l == User:
		if o.PID == 0 {
			return Key{}, Label{}
		}
		return Key{number: o.UID, known: true}, Label{name: o.User}
	case l == Exe:
		exe := o.Program.Value().Exe
		return Key{id: exe, known: exe != ""}, Label{}
	case l == Unit:
		return Key{id: p.Unit, sub: p.UserUnit, known: p.Unit != "" || p.UserUnit != ""}, Label{}
	case l == Container && p.Container != "":
		return Key{id: p.Container, known: true}, Label{place: o.Place}
	case l == Pod && p.PodUID != "":
		return Key{id: p.PodUID, known: true}, Label{place: o.Place}
	case l == Pod && p.Pod != "":
		return Key{id: p.Pod, sub: p.PodNamespace, known: true}, Label{place: o.Place}
	}
	return Key{}, Label{}
}

// RunsIn is what is known of a process besides its own names.
func RunsIn(o *lifetime.Owner) Label { return Label{place: o.Place} }
