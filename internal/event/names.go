package event

import (
	"fmt"
)

// Proto is a transport protocol by its IP number.
type Proto uint8

// The two protocols with ports that porttrace follows.
const (
	TCP Proto = 6
	UDP Proto = 17
)

// Path says how a port was chosen. The zero value is unknown.
type Path uint8

// The paths, numbered as enum port_path in bpf/event.h. All but Explicit are
// ephemeral: the kernel chose the number.
const (
	Connect    Path = iota + 1 // inside connect(), also with IP_BIND_ADDRESS_NO_PORT
	Bind                       // bind() to port 0
	Listen                     // listen() without bind()
	UDPConnect                 // connect() of an unbound UDP socket
	UDPSend                    // first send of an unbound UDP socket
	Explicit                   // the program asked for this number
)

// State is a state of the holder, by TCP's own names.
type State uint8

// The states, numbered as enum port_state in bpf/event.h.
const (
	Bound State = iota
	Listening
	SynSent
	Established
	CloseWait
	LastAck
	FinWait1
	FinWait2
	Closing
	TimeWait
	States // how many there are
)

// Reason says why a hold ended. The zero value is unknown.
type Reason uint8

// The reasons, numbered as enum end_reason in bpf/event.h.
const (
	Closed          Reason = iota + 1 // ordinary close, no TIME_WAIT
	TimeWaitExpired                   // the 60 s are over
	TimeWaitReused                    // a new connect took the port over
	TimeWaitKilled                    // RST or SYN in TIME_WAIT
	Reset                             // RST in either direction
	Refused                           // connect() met a RST
	TimedOut                          // no answer, or tcp_fin_timeout in FIN_WAIT2
	Unreachable                       // ICMP or a route said so
	Aborted                           // closed while SYN_SENT
	Disconnected                      // connect(AF_UNSPEC)
	NetnsDestroyed                    // the network namespace went away
	Vanished                          // found gone after events were lost
)

var (
	protoNames  = map[Proto]string{TCP: "tcp", UDP: "udp"}
	pathNames   = [...]string{"", "connect", "bind", "listen", "udp-connect", "udp-send", "explicit"}
	stateNames  = [...]string{"BOUND", "LISTEN", "SYN_SENT", "ESTABLISHED", "CLOSE_WAIT", "LAST_ACK", "FIN_WAIT1", "FIN_WAIT2", "CLOSING", "TIME_WAIT"}
	reasonNames = [...]string{"", "closed", "time_wait_expired", "time_wait_reused", "time_wait_killed", "reset", "refused", "timed_out", "unreachable", "aborted", "disconnected", "netns_destroyed", "vanished"}
)

// String returns "tcp" or "udp".
func (p Proto) String() string {
	switch p {
	case TCP:
		return "tcp"
	case UDP:
		return "udp"
	}
	return fmt.Sprintf("proto-%d", uint8(p))
}

// ParseProto is the inverse of String.
func ParseProto(s string) (Proto, error) {
	for p, name := range protoNames {
		if s == name {
			return p, nil
		}
	}
	return 0, fmt.Errorf("protocol %q: want tcp or udp", s)
}

// String returns the name used in recordings, "" for unknown.
func (p Path) String() string { return name(pathNames[:], uint8(p)) }

// ParsePath is the inverse of String.
func ParsePath(s string) (Path, error) {
	i, err := index(pathNames[:], s, "path")
	return Path(i), err
}

// String returns TCP's name of the state.
func (s State) String() string { return name(stateNames[:], uint8(s)) }

// ParseState is the inverse of String.
func ParseState(s string) (State, error) {
	i, err := index(stateNames[:], s, "state")
	return State(i), err
}

// String returns the name used in recordings, "" for unknown.
func (r Reason) String() string { return name(reasonNames[:], uint8(r)) }

// ParseReason is the inverse of String.
func ParseReason(s string) (Reason, error) {
	i, err := index(reasonNames[:], s, "reason")
	return Reason(i), err
}

func name(names []string, i uint8) string {
	if int(i) < len(names) {
		return names[i]
	}
	return fmt.Sprintf("unknown-%d", i)
}

func index(names []string, s, what string) (int, error) {
	for i, n := range names {
		if s == n {
			return i, nil
		}
	}
	return 0, fmt.Errorf("%s %q is not known", what, s)
}
