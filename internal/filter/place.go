package filter

import (
	"slices"
	"strings"

	"porttrace/internal/flagvalue"
	"porttrace/internal/lifetime"
)

// matchesPlace says whether a place is one of those asked for. What is not known of it does
// not match.
func (f *Filter) matchesPlace(in lifetime.Interned[lifetime.Place]) bool {
	if len(f.Cgroups)+len(f.Containers)+len(f.Units)+len(f.Pods) == 0 {
		return true
	}
	p := in.Value()
	switch {
	case len(f.Cgroups) > 0 && !slices.ContainsFunc(f.Cgroups, func(path string) bool { return isBelow(p.Cgroup, path) }),
		len(f.Containers) > 0 && !slices.ContainsFunc(f.Containers, func(name string) bool { return isContainer(&p, name) }),
		len(f.Units) > 0 && !slices.ContainsFunc(f.Units, func(name string) bool { return name == p.Unit || name == p.UserUnit }),
		len(f.Pods) > 0 && !slices.ContainsFunc(f.Pods, func(pod flagvalue.Pod) bool { return isPod(&p, pod) }):
		return false
	}
	return true
}

// isBelow says whether a cgroup is path, or in it.
func isBelow(cgroup, path string) bool {
	below, ok := strings.CutPrefix(cgroup, path)
	return ok && cgroup != "" && (below == "" || below[0] == '/' || path == "/")
}

// isContainer takes a name, and the beginning of an id. Runtimes that have no ids have the
// name there, too: it is matched as a whole only.
func isContainer(p *lifetime.Place, name string) bool {
	if name == p.ContainerName || name == p.Container {
		return true
	}
	return p.Container != p.ContainerName && flagvalue.IsIDPrefix(name) && strings.HasPrefix(p.Container, name)
}

func isPod(p *lifetime.Place, pod flagvalue.Pod) bool {
	if pod.Namespace == "" {
		return pod.Name == p.Pod || pod.Name == p.PodUID
	}
	return pod.Name == p.Pod && pod.Namespace == p.PodNamespace
}
