//go:build linux

package main

import (
	"fmt"
	"net/netip"
	"slices"
	"strings"

	"github.com/spf13/pflag"

	"porttrace/internal/event"
	"porttrace/internal/filter"
	"porttrace/internal/flagvalue"
)

// filterFlags are those of the tracer and of reports alike.
type filterFlags struct {
	protos flagvalue.Protos
	v4, v6 bool
	pids   flagvalue.PIDs
	comms  flagvalue.Comms
	uids   flagvalue.UIDs
	places placeFlags
	netns  flagvalue.Netns
	src    flagvalue.Prefixes
	dst    flagvalue.Destinations
}

func (t *filterFlags) bind(f *pflag.FlagSet) {
	f.Var(&t.protos, "proto", "tcp, udp, or both with a comma (all unless given)")
	f.BoolVarP(&t.v4, "4", "4", false, "only IPv4")
	f.BoolVarP(&t.v6, "6", "6", false, "only IPv6")
	f.Var(&t.pids, "pid", "only ports that these processes had assigned")
	f.Var(&t.comms, "comm", "only those of tasks with exactly this name (can be repeated)")
	f.Var(&t.uids, "uid", "only those of these users, by id or name")
	t.places.bind(f)
	f.Var(&t.netns, "netns", "only this network namespace: a process id, a path, an inode number, or a name from ip netns")
	f.Var(&t.dst, "dst", "only to these remote addresses: 10.0.0.0/8, 192.0.2.7:443, [2001:db8::/32]:443")
	f.Var(&t.src, "src", "only from these local addresses")
}

// placeFlags say where owners run.
type placeFlags struct {
	cgroups    flagvalue.Cgroups
	containers flagvalue.Containers
	units      flagvalue.Units
	pods       flagvalue.Pods
}

func (p *placeFlags) bind(f *pflag.FlagSet) {
	f.Var(&p.cgroups, "cgroup", "only those of these cgroups and all below them: /system.slice, with or without /sys/fs/cgroup")
	f.Var(&p.containers, "container", "only those of these containers, by name or by 4 or more digits of the id")
	f.Var(&p.units, "unit", "only those of these systemd units, of the system or of users; .service may be left out")
	f.Var(&p.pods, "pod", "only those of these Kubernetes pods: a namespace and name, a name of any namespace, or a uid")
}

// holdFilter is what the flags ask of holds, but for what whole namespaces have in common.
func (t *filterFlags) holdFilter() filter.Filter {
	return filter.Filter{
		PIDs: t.pids.List(), Comms: t.comms.List(), UIDs: t.uids.List(),
		Cgroups: t.places.cgroups.List(), Containers: t.places.containers.List(),
		Units: t.places.units.List(), Pods: t.places.pods.List(),
		Dst: t.dst.List(), Src: t.src.List(),
	}
}

func (t *filterFlags) tcp() bool  { return t.protos.Empty() || t.protos.Contains(event.TCP) }
func (t *filterFlags) udp() bool  { return t.protos.Empty() || t.protos.Contains(event.UDP) }
func (t *filterFlags) ipv4() bool { return t.v4 || !t.v6 }
func (t *filterFlags) ipv6() bool { return t.v6 || !t.v4 }

// checkFamilies refuses addresses that no socket of the families wanted can have.
func (t *filterFlags) checkFamilies() error {
	wanted := func(p netip.Prefix) bool { return p.Addr().Is4() && t.ipv4() || p.Addr().Is6() && t.ipv6() }
	flag := "-4"
	if t.ipv6() {
		flag = "-6"
	}
	if src := t.src.List(); len(src) > 0 && !slices.ContainsFunc(src, wanted) {
		return fmt.Errorf("--src: no address of the family that %s wants: drop one of the two", flag)
	}
	if dst := t.dst.List(); len(dst) > 0 && !slices.ContainsFunc(dst, func(d flagvalue.Destination) bool { return wanted(d.Prefix) }) {
		return fmt.Errorf("--dst: no address of the family that %s wants: drop one of the two", flag)
	}
	return nil
}

// filterText returns those of the flags that were given, in canonical form.
func filterText(filters *pflag.FlagSet) string {
	var words []string
	filters.VisitAll(func(f *pflag.Flag) {
		name := dashed(f.Name)
		switch comms, isComms := f.Value.(*flagvalue.Comms); {
		case isComms:
			for _, comm := range comms.List() {
				words = append(words, name, shellWord(comm))
			}
		case f.Value.Type() == "bool":
			if f.Value.String() == "true" {
				words = append(words, name)
			}
		case f.Value.String() != "":
			words = append(words, name, shellWord(f.Value.String()))
		}
	})
	return strings.Join(words, " ")
}
