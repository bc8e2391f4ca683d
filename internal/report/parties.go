package report

import (
	"cmp"
	"net/netip"
	"strings"

	"porttrace/internal/event"
	"porttrace/internal/lifetime"
	"porttrace/internal/party"
)

// Process is who had a port assigned.
type Process struct {
	Host      string
	PID, UID  uint32 // PID 0: unknown, and UID with it
	Comm      string
	Container string
}

func processOf(host string, o *lifetime.Owner) Process {
	return Process{host, o.PID, o.UID, o.Comm, o.Place.Value().Container}
}

func (p Process) compare(q Process) int {
	return cmp.Or(strings.Compare(p.Host, q.Host), cmp.Compare(p.PID, q.PID), cmp.Compare(p.UID, q.UID),
		strings.Compare(p.Comm, q.Comm), strings.Compare(p.Container, q.Container))
}

// Program is all processes of a name in one container, or on one host outside of any:
// where each connection has a process of its own, no process stands out.
type Program struct {
	Host, Comm, Container string
}

func (p Program) compare(q Program) int {
	return cmp.Or(strings.Compare(p.Host, q.Host), strings.Compare(p.Comm, q.Comm), strings.Compare(p.Container, q.Container))
}

// Group is all who have in common what Options.By says.
type Group struct {
	Host string
	party.Key
}

func (g Group) compare(other Group) int {
	return cmp.Or(strings.Compare(g.Host, other.Host), g.Compare(other.Key))
}

// Destination is where connections go to. The same loopback address is another place in
// each network namespace.
type Destination struct {
	Host  string
	NetNS uint32 // of a loopback address, else 0
	Proto event.Proto
	Dst   netip.AddrPort // zero: none, or unknown
}

func destinationOf(host string, netns uint32, proto event.Proto, dst netip.AddrPort) Destination {
	d := Destination{Host: host, Proto: proto, Dst: dst}
	if dst.Addr().IsLoopback() {
		d.NetNS = netns
	}
	return d
}

func (d Destination) compare(e Destination) int {
	return cmp.Or(strings.Compare(d.Host, e.Host), cmp.Compare(d.Proto, e.Proto), d.Dst.Compare(e.Dst), cmp.Compare(d.NetNS, e.NetNS))
}

// Way is how ports were chosen, by protocol: connect, bind and listen are of TCP and, bind
// alone, of UDP too.
type Way struct {
	Path  event.Path // 0: unknown
	Proto event.Proto
}

func (w Way) compare(v Way) int {
	return cmp.Or(cmp.Compare(w.Path, v.Path), cmp.Compare(w.Proto, v.Proto))
}
