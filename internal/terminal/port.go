package terminal

import (
	"fmt"
	"io"
	"strconv"

	"porttrace/internal/event"
	"porttrace/internal/iana"
	"porttrace/internal/lifetime"
)

// PortAnswer is what a person asks of a port: what its number means and who has it. It
// is plain data, the same for text and JSON.
type PortAnswer struct {
	Port       uint16
	Class      string // iana.System, iana.User or iana.Dynamic
	TCPService string // assigned by IANA, "" none
	UDPService string // assigned by IANA, "" none
	Namespaces []PortInNetNS
	Untimed    bool // since when it is held is not known, and not told
}

// PortInNetNS is a port as one network namespace sees it.
type PortInNetNS struct {
	NetNS    uint32          // inode
	Lo, Hi   uint16          // ip_local_port_range; 0 and 0: unknown
	InRange  bool            // Lo ≤ port ≤ Hi
	Reserved bool            // in ip_local_reserved_ports
	Holders  []lifetime.Hold // now; several where connects share the port
}

// NewPortAnswer returns what IANA says of a port; the caller adds the namespaces.
func NewPortAnswer(port uint16) PortAnswer {
	return PortAnswer{
		Port:       port,
		Class:      iana.Class(port),
		TCPService: iana.Service(port, "tcp"),
		UDPService: iana.Service(port, "udp"),
	}
}

// holdersShown bounds the first screen: a port that connects share may have thousands.
const holdersShown = 8

// WritePorts writes the first screen: some lines for one port, a summary for several.
// For none it writes nothing.
func WritePorts(w io.Writer, answers []PortAnswer) error {
	var b []byte
	switch len(answers) {
	case 0:
		return nil
	case 1:
		b = appendPort(b, &answers[0])
	default:
		b = appendPorts(b, answers)
	}
	if _, err := w.Write(b); err != nil {
		return fmt.Errorf("writing the answer about ports: %w", err)
	}
	return nil
}

func appendPort(b []byte, a *PortAnswer) []byte {
	lo, hi := iana.Bounds(a.Class)
	b = fmt.Appendf(b, "port %d: %s (IANA %d-%d), ", a.Port, a.Class, lo, hi)
	switch {
	case a.TCPService == "" && a.UDPService == "":
		b = append(b, "no assigned service\n"...)
	case a.TCPService == a.UDPService:
		b = fmt.Appendf(b, "assigned to %s\n", a.TCPService)
	case a.UDPService == "":
		b = fmt.Appendf(b, "assigned to %s (tcp)\n", a.TCPService)
	case a.TCPService == "":
		b = fmt.Appendf(b, "assigned to %s (udp)\n", a.UDPService)
	default:
		b = fmt.Appendf(b, "assigned to %s (tcp), %s (udp)\n", a.TCPService, a.UDPService)
	}
	b = appendVerdicts(b, a.Namespaces)
	return appendHolders(b, a)
}

// verdict is what namespaces may have in common about a port.
type verdict struct {
	lo, hi            uint16
	inRange, reserved bool
}

// appendVerdicts writes whether the kernel may choose the port, one line for all the
// namespaces that agree.
func appendVerdicts(b []byte, in []PortInNetNS) []byte {
	var order []verdict
	who := map[verdict][]uint32{}
	for _, n := range in {
		v := verdict{n.Lo, n.Hi, n.InRange, n.Reserved}
		if who[v] == nil {
			order = append(order, v)
		}
		who[v] = append(who[v], n.NetNS)
	}
	for _, v := range order {
		whose := "this namespace's"
		switch n := len(who[v]); {
		case n > 1:
			whose = strconv.Itoa(n) + " namespaces'"
		case len(in) > 1:
			whose = fmt.Sprintf("netns %d's", who[v][0])
		}
		switch {
		case v.lo == 0 && v.hi == 0:
			b = fmt.Appendf(b, "  %s ip_local_port_range: unknown", whose)
		case v.inRange:
			b = fmt.Appendf(b, "  in %s ip_local_port_range %d-%d", whose, v.lo, v.hi)
		default:
			b = fmt.Appendf(b, "  outside %s ip_local_port_range %d-%d", whose, v.lo, v.hi)
		}
		switch {
		case v.reserved:
			b = append(b, ", reserved (ip_local_reserved_ports): the kernel will not choose it"...)
		case v.lo == 0 && v.hi == 0:
		case v.inRange:
			b = append(b, ": the kernel may give it to anyone"...)
		default:
			b = append(b, ": the kernel will not choose it"...)
		}
		b = append(b, '\n')
	}
	return b
}

func appendHolders(b []byte, a *PortAnswer) []byte {
	in, holders := a.Namespaces, 0
	for _, n := range in {
		for i := range n.Holders {
			holders++
			if holders > holdersShown {
				continue
			}
			b = appendHolder(append(b, "  held now by "...), &n.Holders[i])
			if !a.Untimed {
				b = appendSince(b, &n.Holders[i])
			}
			if len(in) > 1 {
				b = fmt.Appendf(b, ", netns %d", n.NetNS)
			}
			b = append(b, '\n')
		}
	}
	switch {
	case holders == 0 && len(in) > 0:
		b = append(b, "  held by nobody now\n"...)
	case holders > holdersShown:
		b = fmt.Appendf(b, "  … and %d more holds\n", holders-holdersShown)
	}
	return b
}

// appendHolder writes one hold as it stands: curl/1234 → 10.0.0.5:443 tcp ESTABLISHED.
func appendHolder(b []byte, h *lifetime.Hold) []byte {
	b = appendSubject(b, &h.Owner)
	switch {
	case h.Dst.IsValid():
		b = appendAddrPort(append(b, " → "...), h.Dst)
	case h.Src.IsValid():
		b = appendAddr(append(b, " on "...), h.Src)
	}
	b = append(append(b, ' '), h.Proto.String()...)
	if h.Proto == event.TCP || h.State != event.Established {
		b = append(append(b, ' '), h.State.String()...)
	} else {
		b = append(b, " connected"...) // UDP has no handshake to be established by
	}
	return b
}

func appendSince(b []byte, h *lifetime.Hold) []byte {
	if h.Assigned == 0 && h.HeldFor() == 0 {
		return append(b, " since before the start"...)
	}
	return appendHeld(append(b, " for "...), h)
}

// appendSubject writes an owner and, where it is known, what it runs in.
func appendSubject(b []byte, o *lifetime.Owner) []byte {
	if o.PID == 0 && o.Comm == "" {
		return append(b, "an unknown owner"...)
	}
	b, _ = appendOwner(b, o)
	place := o.Place.Value()
	before := len(b)
	if b = appendPlace(append(b, " ("...), &place); len(b) == before+len(" (") {
		return b[:before]
	}
	return append(b, ')')
}
