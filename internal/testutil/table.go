package testutil

import (
	"encoding/hex"
	"fmt"
	"net/netip"
	"strconv"
	"strings"
	"testing"

	"porttrace/internal/event"
)

// Entry is a line of the kernel's own tables.
type Entry struct {
	Proto    event.Proto
	Src, Dst netip.AddrPort // IPv4-mapped as IPv4; Dst has port 0 where there is none
	State    event.State
}

// tcpStates are the kernel's numbers (include/net/tcp_states.h) in /proc/net/tcp.
var tcpStates = map[int64]event.State{
	1: event.Established, 2: event.SynSent, 3: event.SynSent, 4: event.FinWait1, 5: event.FinWait2,
	6: event.TimeWait, 8: event.CloseWait, 9: event.LastAck, 10: event.Listening, 11: event.Closing,
}

// Table returns the sockets that the namespace's /proc/net/{tcp,tcp6,udp,udp6} list.
// TCP sockets that are only bound are in no table (before inet_diag of 6.8).
func (n *NetNS) Table(t testing.TB) []Entry {
	t.Helper()
	var entries []Entry
	for file, proto := range map[string]event.Proto{"tcp": event.TCP, "tcp6": event.TCP, "udp": event.UDP, "udp6": event.UDP} {
		text := n.ReadFile(t, "/proc/thread-self/net/"+file)
		for _, line := range strings.Split(text, "\n")[1:] {
			if strings.TrimSpace(line) == "" {
				continue
			}
			e, err := parseEntry(line, proto)
			if err != nil {
				t.Fatalf("/proc/net/%s: %v", file, err)
			}
			entries = append(entries, e)
		}
	}
	return entries
}

// parseEntry reads "  0: 0100007F:8000 00000000:0000 0A ...".
func parseEntry(line string, proto event.Proto) (Entry, error) {
	fields := strings.Fields(line)
	if len(fields) < 4 {
		return Entry{}, fmt.Errorf("line %q is too short", line)
	}
	src, err := parseHexAddr(fields[1])
	if err != nil {
		return Entry{}, err
	}
	dst, err := parseHexAddr(fields[2])
	if err != nil {
		return Entry{}, err
	}
	number, err := strconv.ParseInt(fields[3], 16, 8)
	if err != nil {
		return Entry{}, err
	}
	state, ok := tcpStates[number]
	if !ok {
		state = event.Bound // 7, CLOSE: a UDP socket that is not connected
	}
	return Entry{proto, src, dst, state}, nil
}

func parseHexAddr(s string) (netip.AddrPort, error) {
	host, port, ok := strings.Cut(s, ":")
	number, err := strconv.ParseUint(port, 16, 16)
	if !ok || err != nil {
		return netip.AddrPort{}, fmt.Errorf("address %q", s)
	}
	b, err := hex.DecodeString(host)
	if err != nil {
		return netip.AddrPort{}, fmt.Errorf("address %q: %w", s, err)
	}
	for i := 0; i+3 < len(b); i += 4 { // words in native, little-endian order
		b[i], b[i+1], b[i+2], b[i+3] = b[i+3], b[i+2], b[i+1], b[i]
	}
	addr, ok := netip.AddrFromSlice(b)
	if !ok {
		return netip.AddrPort{}, fmt.Errorf("address %q", s)
	}
	return netip.AddrPortFrom(addr.Unmap(), uint16(number)), nil
}
