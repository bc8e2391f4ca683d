package report

import (
	"time"

	"porttrace/internal/event"
	"porttrace/internal/lifetime"
)

type findingObject struct {
	ID       string          `json:"id"`
	Severity string          `json:"severity"`
	Title    name            `json:"title"`
	Because  []string        `json:"because"`
	Culprit  *ownerObject    `json:"culprit"`
	Pool     *poolObject     `json:"pool"`
	Evidence map[string]real `json:"evidence"`
	Remedy   name            `json:"remedy"`
	Host     name            `json:"host"`
}

// ownerObject is an owner as records have it.
type ownerObject struct {
	PID       number32 `json:"pid"`
	TID       number32 `json:"tid"`
	Comm      name     `json:"comm"`
	UID       *uint32  `json:"uid"`
	Cgroup    name     `json:"cgroup"`
	Container name     `json:"container"`
	placeObject
	Exe     name `json:"exe,omitzero"`
	Cmdline name `json:"cmdline,omitzero"`
	User    name `json:"user,omitzero"`
}

func ownerOf(o *lifetime.Owner) ownerObject {
	place, program := o.Place.Value(), o.Program.Value()
	return ownerObject{number32(o.PID), number32(o.TID), name(o.Comm), uidOf(o.PID, o.UID), name(place.Cgroup), name(place.Container),
		placeOf(&place), name(program.Exe), name(program.Cmdline), name(o.User.Value())}
}

// placeObject is what records have of a place only where it is known.
type placeObject struct {
	Unit          name `json:"unit,omitzero"`
	UserUnit      name `json:"user_unit,omitzero"`
	Runtime       name `json:"runtime,omitzero"`
	ContainerName name `json:"container_name,omitzero"`
	Pod           name `json:"pod,omitzero"`
	PodNamespace  name `json:"pod_namespace,omitzero"`
	PodUID        name `json:"pod_uid,omitzero"`
	QoS           name `json:"qos,omitzero"`
}

func placeOf(p *lifetime.Place) placeObject {
	return placeObject{name(p.Unit), name(p.UserUnit), name(p.Runtime), name(p.ContainerName),
		name(p.Pod), name(p.PodNamespace), name(p.PodUID), name(p.QoS)}
}

// uidOf is null where the process is: 0 is root.
func uidOf(pid, uid uint32) *uint32 {
	if pid == 0 {
		return nil
	}
	return &uid
}

type poolObject struct {
	NetNS   number32 `json:"netns"`
	Proto   string   `json:"proto"`
	Src     address  `json:"src"`
	Dst     address  `json:"dst"`
	DstPort number32 `json:"dst_port"`
}

func (s *Summary) findingObjects() []findingObject {
	out := []findingObject{}
	for i := range s.Findings {
		f := &s.Findings[i]
		o := findingObject{
			ID: string(f.ID), Severity: f.Severity.String(), Title: name(f.Title), Because: []string{},
			Evidence: map[string]real{}, Remedy: name(f.Remedy), Host: name(f.Host),
		}
		for _, id := range f.Because {
			o.Because = append(o.Because, string(id))
		}
		if f.Culprit != nil {
			owner := ownerOf(f.Culprit)
			o.Culprit = &owner
		}
		if k := f.Pool; k != nil {
			o.Pool = &poolObject{number32(k.NetNS), k.Proto.String(), address(k.Src), address(k.Dst.Addr()), number32(k.Dst.Port())}
		}
		for _, n := range f.Evidence {
			o.Evidence[n.Name] = real(n.Value)
		}
		out = append(out, o)
	}
	return out
}

type failureObject struct {
	Cause      name          `json:"cause"`
	Count      uint64        `json:"count"`
	First      instant       `json:"first"`
	Last       instant       `json:"last"`
	Worst      instant       `json:"worst"` // where the worst interval begins
	WorstCount uint64        `json:"worst_count"`
	Interval   time.Duration `json:"interval_ns"`
}

func (s *Summary) failureObjects() []failureObject {
	out := []failureObject{}
	for i := range s.Failures {
		f := &s.Failures[i]
		out = append(out, failureObject{
			name(f.Cause), f.Count, instant(f.First), instant(f.Last), instant(f.Worst), f.WorstCount, s.Interval})
	}
	return out
}

type reuseObject struct {
	SameProcess  *span  `json:"same_process"`
	OtherProcess *span  `json:"other_process"`
	UnknownOwner *span  `json:"unknown_owner"`
	HandedOver   uint64 `json:"handed_over"`
	Shared       uint64 `json:"shared"`
	First        uint64 `json:"first"`
	NotWatched   uint64 `json:"not_watched"`
}

func (s *Summary) reuseObject() reuseObject {
	r := &s.Reuse
	return reuseObject{spanOf(&r.SameProcess), spanOf(&r.OtherProcess), spanOf(&r.UnknownOwner),
		r.HandedOver, r.Shared, r.First, r.NotWatched}
}

type portObject struct {
	Host  name         `json:"host"`
	NetNS number32     `json:"netns"`
	Proto string       `json:"proto"`
	Port  uint16       `json:"port"`
	Holds []holdObject `json:"holds"`
}

// holdObject is a hold as release records have it.
type holdObject struct {
	ID       uint64                   `json:"id"`
	Src      address                  `json:"src"`
	Dst      address                  `json:"dst"`
	DstPort  number32                 `json:"dst_port"`
	Path     name                     `json:"path"`
	Assigned instant                  `json:"assigned"`
	Seen     instant                  `json:"seen"`     // from when on
	Released instant                  `json:"released"` // null: not by the end of the report
	HeldNS   time.Duration            `json:"held_ns"`
	States   map[string]time.Duration `json:"states"` // null: not recorded
	Reason   name                     `json:"reason"`
	ownerObject
}

func (s *Summary) portObjects() []portObject {
	if !s.PortsNamed {
		return nil
	}
	out := []portObject{}
	for i := range s.Ports {
		p := &s.Ports[i]
		o := portObject{name(p.Host), number32(p.NetNS), p.Proto.String(), p.Port, nil}
		for i := range p.Chapters {
			o.Holds = append(o.Holds, p.Chapters[i].object())
		}
		out = append(out, o)
	}
	return out
}

func (c *Chapter) object() holdObject {
	h := &c.Hold
	o := holdObject{
		ID: h.ID, Src: address(h.Src), Dst: address(h.Dst.Addr()), DstPort: number32(h.Dst.Port()), Path: name(h.Path.String()),
		Assigned: instant(h.Assigned), Seen: instant(c.Seen), HeldNS: c.End.Sub(c.Seen), Reason: name(c.Reason.String()),
		ownerObject: ownerOf(&h.Owner),
	}
	if c.Released {
		o.Released = instant(c.End)
	}
	if c.StatesKnown {
		o.States = map[string]time.Duration{}
		for s, d := range h.States {
			if d > 0 || event.State(s) == h.State {
				o.States[event.State(s).String()] = d
			}
		}
	}
	return o
}
