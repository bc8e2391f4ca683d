package terminal

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/netip"
	"testing"

	"porttrace/internal/event"
	"porttrace/internal/lifetime"
)

const testNetNS = 4026531840

// answer is a port in namespaces of which most have the default range.
func answer(port uint16, in ...PortInNetNS) PortAnswer {
	a := NewPortAnswer(port)
	for i, n := range in {
		if n.NetNS == 0 {
			n.NetNS = testNetNS + uint32(i)
		}
		if n.Lo == 0 {
			n.Lo, n.Hi = 32768, 60999
		}
		n.InRange = n.Lo <= port && port <= n.Hi
		a.Namespaces = append(a.Namespaces, n)
	}
	return a
}

func holders(hs ...*lifetime.Hold) PortInNetNS {
	var n PortInNetNS
	for _, h := range hs {
		n.Holders = append(n.Holders, *h)
	}
	return n
}

func TestPortGolden(t *testing.T) {
	udp := hold(states{event.Established: 85 * ms}, path(event.UDPConnect), dst("8.8.8.8:53"), inPod)
	listener := hold(states{event.Listening: 0}, beforeStart, path(event.Listen), func(h *lifetime.Hold) { h.Src = netip.IPv6Unspecified() })
	timeWait := hold(states{event.Established: sec, event.TimeWait: 2 * sec}, beforeStart, nobody)
	var shared []*lifetime.Hold
	for i := range 23 {
		shared = append(shared, hold(states{event.Established: 3200 * ms}, dst(fmt.Sprintf("10.0.0.%d:443", i+1))))
	}
	var many, few []PortAnswer
	for port := uint16(48900); port < 49900; port++ {
		n := holders()
		if port%100 == 7 {
			n = holders(hold(nil, owner(fmt.Sprintf("worker%d", port%5), uint32(port%700))), hold(nil))
		}
		n.Reserved = port < 48910
		many = append(many, answer(port, n))
	}
	for _, port := range []uint16{22, 80, 443, 8080, 60000, 60001} {
		few = append(few, answer(port, holders(), holders(listener), PortInNetNS{Lo: 1024, Hi: 65535}))
	}
	unknown := NewPortAnswer(40000)
	unknown.Namespaces = []PortInNetNS{{NetNS: testNetNS}}
	var out bytes.Buffer
	for _, tt := range []struct {
		what    string
		answers []PortAnswer
	}{
		{"none", nil},
		{"free", []PortAnswer{answer(60568, PortInNetNS{})}},
		{"held", []PortAnswer{answer(60568, holders(hold(states{event.Established: 3200 * ms})))}},
		{"udp, time wait, listener", []PortAnswer{answer(50001, holders(udp, timeWait, listener))}},
		{"hostile, ipv6", []PortAnswer{answer(50002, holders(hold(states{event.Established: sec}, ipv6, owner(hostile[0], 666))))}},
		{"reserved", []PortAnswer{answer(33333, PortInNetNS{Reserved: true})}},
		{"outside", []PortAnswer{answer(514, PortInNetNS{})}},
		{"outside and reserved", []PortAnswer{answer(443, PortInNetNS{Reserved: true})}},
		{"one protocol only", []PortAnswer{answer(6379, PortInNetNS{})}},
		{"range unknown", []PortAnswer{unknown}},
		{"no namespace", []PortAnswer{NewPortAnswer(65535)}},
		{"shared", []PortAnswer{answer(60568, holders(shared...))}},
		{"namespaces", []PortAnswer{answer(61000, PortInNetNS{}, holders(udp), PortInNetNS{Lo: 1024, Hi: 65535})}},
		{"a range", many},
		{"a list in namespaces", few},
	} {
		fmt.Fprintf(&out, "# %s\n", tt.what)
		if err := WritePorts(&out, tt.answers); err != nil {
			t.Fatal(err)
		}
	}
	golden(t, "port.txt", out.Bytes())
}

func TestPortAnswerIsData(t *testing.T) {
	want := answer(443, holders(hold(states{event.Established: sec})))
	data, err := json.Marshal(want)
	if err != nil {
		t.Fatal(err)
	}
	var got PortAnswer
	if err := json.Unmarshal(data, &got); err != nil {
		t.Fatal(err)
	}
	if fmt.Sprint(got) != fmt.Sprint(want) {
		t.Errorf("got %v, want %v", got, want)
	}
}

func TestWritePortsError(t *testing.T) {
	err := WritePorts(failingWriter{io.ErrClosedPipe}, []PortAnswer{NewPortAnswer(1)})
	if !errors.Is(err, io.ErrClosedPipe) || err.Error() != "writing the answer about ports: io: read/write on closed pipe" {
		t.Errorf("got %v", err)
	}
}
