package terminal

import (
	"cmp"
	"fmt"
	"slices"
	"strings"

	"porttrace/internal/iana"
	"porttrace/internal/lifetime"
)

// Bounds of the summary.
const (
	runsShown       = 4
	servicesShown   = 4
	namespacesShown = 8
	ownersShown     = 3
)

// appendPorts writes the summary of several ports.
func appendPorts(b []byte, answers []PortAnswer) []byte {
	sorted := slices.Clone(answers)
	slices.SortFunc(sorted, func(x, y PortAnswer) int { return cmp.Compare(x.Port, y.Port) })
	b = fmt.Appendf(b, "%d ports %s: ", len(sorted), portRuns(sorted))
	b = append(b, classCounts(sorted)...)
	b = append(append(b, "; "...), serviceCount(sorted)...)
	b = append(b, '\n')
	return appendNamespaces(b, sorted)
}

// portRuns writes the numbers as ranges, 60000-60999, 61000.
func portRuns(sorted []PortAnswer) string {
	var runs []string
	for i := 0; i < len(sorted); {
		first := i
		for i++; i < len(sorted) && int(sorted[i].Port) <= int(sorted[i-1].Port)+1; i++ {
		}
		lo, hi := sorted[first].Port, sorted[i-1].Port
		if lo == hi {
			runs = append(runs, fmt.Sprint(lo))
		} else {
			runs = append(runs, fmt.Sprintf("%d-%d", lo, hi))
		}
	}
	if more := len(runs) - runsShown; more > 0 {
		runs = append(runs[:runsShown], fmt.Sprintf("… (%d more)", more))
	}
	return strings.Join(runs, ", ")
}

// classCounts is "dynamic" for all or "24 user, 976 dynamic".
func classCounts(sorted []PortAnswer) string {
	count := map[string]int{}
	for i := range sorted {
		count[sorted[i].Class]++
	}
	if len(count) == 1 {
		return sorted[0].Class
	}
	var parts []string
	for _, class := range []string{iana.System, iana.User, iana.Dynamic} {
		if n := count[class]; n > 0 {
			parts = append(parts, fmt.Sprintf("%d %s", n, class))
		}
	}
	return strings.Join(parts, ", ")
}

func serviceCount(sorted []PortAnswer) string {
	n := 0
	var names []string
	for i := range sorted {
		a := &sorted[i]
		if a.TCPService == "" && a.UDPService == "" {
			continue
		}
		n++
		if name := cmp.Or(a.TCPService, a.UDPService); !slices.Contains(names, name) && len(names) <= servicesShown {
			names = append(names, name)
		}
	}
	if n == 0 {
		return "no assigned services"
	}
	if len(names) > servicesShown {
		names = append(names[:servicesShown], "…")
	}
	return fmt.Sprintf("%d with an assigned service (%s)", n, strings.Join(names, ", "))
}

// portSum adds up a namespace's ports.
type portSum struct {
	netns             uint32
	lo, hi            uint16
	inRange, reserved int
	ports, holds      int // held
	owners            map[lifetime.Owner]int
}

func appendNamespaces(b []byte, sorted []PortAnswer) []byte {
	sums := sumPorts(sorted)
	for i, s := range sums {
		if i == namespacesShown {
			return fmt.Appendf(b, "  … and %d more namespaces\n", len(sums)-i)
		}
		who := "this namespace"
		if len(sums) > 1 {
			who = fmt.Sprintf("netns %d", s.netns)
		}
		if s.lo == 0 && s.hi == 0 {
			b = fmt.Appendf(b, "  %s: ip_local_port_range unknown", who)
		} else {
			b = fmt.Appendf(b, "  %s: %d in ip_local_port_range %d-%d", who, s.inRange, s.lo, s.hi)
		}
		if s.reserved > 0 {
			b = fmt.Appendf(b, ", %d reserved", s.reserved)
		}
		if s.holds == 0 {
			b = append(b, ", none held now\n"...)
			continue
		}
		b = fmt.Appendf(b, ", %d held now (%s: ", s.ports, Count(uint64(s.holds), "hold"))
		b = append(appendOwners(b, TopOwners(s.owners)), ")\n"...)
	}
	return b
}

// sumPorts returns the namespaces, those with the most holds first.
func sumPorts(sorted []PortAnswer) []*portSum {
	var sums []*portSum
	byNetNS := map[uint32]*portSum{}
	for i := range sorted {
		for j := range sorted[i].Namespaces {
			n := &sorted[i].Namespaces[j]
			s := byNetNS[n.NetNS]
			if s == nil {
				s = &portSum{netns: n.NetNS, lo: n.Lo, hi: n.Hi, owners: map[lifetime.Owner]int{}}
				byNetNS[n.NetNS] = s
				sums = append(sums, s)
			}
			s.add(n)
		}
	}
	slices.SortStableFunc(sums, func(x, y *portSum) int { return cmp.Compare(y.holds, x.holds) })
	return sums
}

func (s *portSum) add(n *PortInNetNS) {
	if n.InRange {
		s.inRange++
	}
	if n.Reserved {
		s.reserved++
	}
	if len(n.Holders) > 0 {
		s.ports++
	}
	s.holds += len(n.Holders)
	for i := range n.Holders {
		// Threads of a process are one owner here.
		o := n.Holders[i].Owner
		s.owners[lifetime.Owner{PID: o.PID, Comm: o.Comm, Place: o.Place}]++
	}
}

// OwnerCount is how many holds an owner has.
type OwnerCount struct {
	lifetime.Owner
	Count int
}

// TopOwners returns owners by their counts, those with the most first.
func TopOwners(owners map[lifetime.Owner]int) []OwnerCount {
	list := make([]OwnerCount, 0, len(owners))
	for o, n := range owners {
		list = append(list, OwnerCount{o, n})
	}
	slices.SortFunc(list, func(x, y OwnerCount) int {
		return cmp.Or(cmp.Compare(y.Count, x.Count), cmp.Compare(x.PID, y.PID), cmp.Compare(x.Comm, y.Comm))
	})
	return list
}

// appendOwners writes those with the most holds: 12 by nginx/1 (unit nginx.service), 2 by
// curl/77, 9 by others.
func appendOwners(b []byte, list []OwnerCount) []byte {
	rest := 0
	for i := range list {
		o := &list[i]
		if i >= ownersShown {
			rest += o.Count
			continue
		}
		if i > 0 {
			b = append(b, ", "...)
		}
		b = appendSubject(fmt.Appendf(b, "%d by ", o.Count), &o.Owner)
	}
	if rest > 0 {
		b = fmt.Appendf(b, ", %d by others", rest)
	}
	return b
}
