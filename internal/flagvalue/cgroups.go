package flagvalue

import (
	"cmp"
	"fmt"
	"path"
	"slices"
	"strings"
)

// Cgroups is a set of cgroups by their paths in the default hierarchy.
type Cgroups struct {
	list []string
}

// Set adds a comma list of paths from the root of the hierarchy, or of folders below its usual
// mounts. Whether there are such cgroups is not asked: they may come later, or have been on
// another host. One with a comma in its name is found by the cgroup above it.
func (c *Cgroups) Set(list string) (err error) {
	c.list, err = parseList(c.list, list, parseCgroup, cmp.Compare)
	return err
}

// String returns the paths in order.
func (c *Cgroups) String() string { return strings.Join(c.list, ",") }

// Type names the value in help texts.
func (*Cgroups) Type() string { return "PATH" }

// List returns the paths in order, all absolute and clean. The caller owns it.
func (c *Cgroups) List() []string { return slices.Clone(c.list) }

// cgroupMounts are where systemd mounts the default hierarchy, of hybrid hosts first.
var cgroupMounts = []string{"/sys/fs/cgroup/unified", "/sys/fs/cgroup"}

func parseCgroup(s string) (string, error) {
	switch {
	case strings.Contains(s, "\x00"):
		return "", fmt.Errorf("%q: a path cannot hold a NUL byte", s)
	case !strings.HasPrefix(s, "/"):
		return "", fmt.Errorf("%q: want a path as in /proc/PID/cgroup, from the root: %q", s, "/"+s)
	}
	clean := path.Clean(s)
	for _, mount := range cgroupMounts {
		if clean == mount {
			return "/", nil
		}
		if below, ok := strings.CutPrefix(clean, mount+"/"); ok {
			return "/" + below, nil
		}
	}
	return clean, nil
}
