package main

// ending says how a TCP connection ends. Each has a listener of its own, so that the
// server knows what to do without a word exchanged.
type ending int

const (
	reset       ending = iota // the client closes with RST, nobody keeps a TIME_WAIT
	clientFirst               // the client's port goes into TIME_WAIT
	serverFirst               // the client's port is free at once
	endings
)

// The server's ports lie below the ephemeral range, so that listeners never meet it.
const (
	firstPort   = 801
	udpPort     = firstPort + int(endings)
	deafPort    = udpPort + 1 // answers no SYN
	refusedPort = udpPort + 2 // nobody listens
	lastPort    = refusedPort
)

// action is one use of an ephemeral port.
type action struct {
	v6, udp bool
	send    bool   // UDP: sendto on a socket without a port, not connect
	end     ending // TCP
}

// path is the recording's word for how this action gets its port.
func (a action) path() string {
	switch {
	case !a.udp:
		return "connect"
	case a.send:
		return "udp-send"
	}
	return "udp-connect"
}

func (a action) port() int {
	if a.udp {
		return udpPort
	}
	return firstPort + int(a.end)
}

// plan is the cycle of actions a client goes through. It is fixed, not random: the same
// storm in every run.
func plan(mix string, orderly int) []action {
	tcp := []action{{end: reset}}
	if orderly > 0 {
		tcp = make([]action, 2*orderly)
		tcp[orderly-1].end = clientFirst
		tcp[2*orderly-1].end = serverFirst
	}
	if mix != "all" {
		return tcp
	}
	udp := []action{
		{udp: true}, {udp: true, v6: true},
		{udp: true, send: true}, {udp: true, send: true, v6: true},
	}
	var all []action
	for _, u := range udp {
		for _, a := range tcp {
			six := a
			six.v6 = true
			all = append(all, a, six, u)
		}
	}
	return all
}
