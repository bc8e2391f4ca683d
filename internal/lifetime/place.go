package lifetime

import "path"

// Telling returns what says most of where a process runs, and what kind of thing that is:
// "pod", "container", "unit" or "cgroup". An id stands for a name that is not known. Two
// empty strings: the place is not known, or the root.
func (p *Place) Telling() (kind, name string) {
	switch {
	case p.Pod != "":
		return "pod", p.Pod
	case p.ContainerName != "":
		return "container", p.ContainerName
	case p.Container != "":
		return "container", p.Container
	case p.PodUID != "":
		return "pod", p.PodUID
	case p.UserUnit != "":
		return "unit", p.UserUnit
	case p.Unit != "":
		return "unit", p.Unit
	case p.Cgroup != "" && p.Cgroup != "/":
		return "cgroup", path.Base(p.Cgroup)
	}
	return "", ""
}
