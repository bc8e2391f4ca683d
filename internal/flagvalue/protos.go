package flagvalue

import "porttrace/internal/event"

// Protos is a set of transport protocols. The zero value is the empty set.
type Protos struct {
	list []event.Proto
}

// Set adds a comma list of "tcp" and "udp".
func (p *Protos) Set(list string) (err error) {
	p.list, err = parseList(p.list, list, event.ParseProto, func(a, b event.Proto) int {
		return int(a) - int(b)
	})
	return err
}

// String returns the list, tcp first.
func (p *Protos) String() string { return joinList(p.list, event.Proto.String) }

// Type names the value in help texts.
func (*Protos) Type() string { return "LIST" }

// Words are what may be in the list, for completion.
func (*Protos) Words() []string { return []string{event.TCP.String(), event.UDP.String()} }

// Empty says whether no protocol is in the set.
func (p *Protos) Empty() bool { return len(p.list) == 0 }

// Contains says whether the protocol is in the set.
func (p *Protos) Contains(proto event.Proto) bool {
	for _, has := range p.list {
		if has == proto {
			return true
		}
	}
	return false
}
