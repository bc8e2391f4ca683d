package probe

// iterator is a program that is run over all there is of something, on demand.
type iterator struct {
	program string
	over    string // the map it goes over; "": what the kernel has
	proto   proto
	without string // what is missing without it
}

// The iterators are loaded with every set.
var (
	lookFiles = iterator{program: "look_files", proto: tcp | udp, without: "holds from before the start would be missing"}
	lookTCP   = iterator{program: "look_tcp", proto: tcp, without: "holds from before the start would be missing"}
	lookUDP   = iterator{program: "look_udp", proto: udp, without: "UDP ports that connect() took would be missing"}

	callSockets   = iterator{program: "call_sockets", over: "sockets", proto: tcp | udp, without: "losses could not be put right"}
	callTimeWaits = iterator{program: "call_time_waits", over: "time_waits", proto: tcp, without: "losses could not be put right"}
)

var iterators = []iterator{lookFiles, lookTCP, lookUDP, callSockets, callTimeWaits}
