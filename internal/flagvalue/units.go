package flagvalue

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
)

// Units is a set of systemd units that have processes.
type Units struct {
	list []string
}

// Set adds a comma list of names. One without a type is that of a service.
func (u *Units) Set(list string) (err error) {
	u.list, err = parseList(u.list, list, parseUnit, cmp.Compare)
	return err
}

// String returns the whole names in order.
func (u *Units) String() string { return strings.Join(u.list, ",") }

// Type names the value in help texts.
func (*Units) Type() string { return "NAME" }

// List returns the whole names in order. The caller owns it.
func (u *Units) List() []string { return slices.Clone(u.list) }

const (
	// unitNameMax is UNIT_NAME_MAX of systemd, without the NUL.
	unitNameMax = 255
	// unitNameChars are those that unit_name_is_valid allows.
	unitNameChars = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789" + `:-_.\@`
)

// The types of units (systemd.unit(5)) that have processes of their own, and the others.
var (
	unitTypes  = []string{"service", "scope", "socket", "mount", "swap"}
	otherTypes = []string{"automount", "device", "path", "slice", "target", "timer"}
)

func parseUnit(s string) (string, error) {
	if strings.Trim(s, unitNameChars) != "" {
		return "", fmt.Errorf("%q: want the name of one unit, as systemctl has it: nginx.service", s)
	}
	name := s
	switch suffix := s[strings.LastIndexByte(s, '.')+1:]; {
	case suffix == "slice":
		return "", fmt.Errorf("%q: a slice has no processes, but units that have (for all of them: --cgroup)", s)
	case suffix != s && slices.Contains(otherTypes, suffix):
		return "", fmt.Errorf("%q: a unit of this type has no processes: name the service it starts", s)
	case suffix == s || !slices.Contains(unitTypes, suffix):
		name += ".service"
	}
	if strings.HasPrefix(name, ".") || len(name) > unitNameMax {
		return "", fmt.Errorf("%q: no unit can have this name", s)
	}
	return name, nil
}
