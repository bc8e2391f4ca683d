package manual

import "porttrace/internal/privilege"

// setcap is the command for a program where packages put it.
func setcap() string { return privilege.Setcap("/usr/bin/porttrace", true) }

func capabilities() []privilege.Capability { return privilege.All }

// lasting says how long a capability is kept.
func lasting(c privilege.Capability) string {
	switch {
	case c.Use&privilege.Looking != 0:
		return "kept"
	case c.Use&privilege.Filing != 0:
		return "kept by the thread that makes the recording's files, where it needs it"
	}
	return "given up"
}
