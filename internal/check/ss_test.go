package check

import (
	"net/netip"
	"os/exec"
	"strings"
	"testing"

	"porttrace/internal/event"
	"porttrace/internal/testutil"
)

// ssRow is a socket as iproute2's ss lists it.
type ssRow struct {
	state    string
	src, dst netip.AddrPort
}

func (l *lab) ss(args ...string) []ssRow {
	l.t.Helper()
	path, err := exec.LookPath("ss")
	testutil.Need(l.t, err == nil, "ss (Debian package iproute2)")
	var out []byte
	l.ns.Do(func() { out, err = exec.Command(path, args...).Output() })
	l.must(err)
	var rows []ssRow
	for line := range strings.Lines(string(out)) {
		fields := strings.Fields(line) // state, two queues, local, peer
		if len(fields) < 5 {
			l.t.Fatalf("ss says %q", line)
		}
		src, err := netip.ParseAddrPort(fields[3])
		l.must(err)
		dst, err := netip.ParseAddrPort(fields[4])
		if err != nil { // a listener's: 0.0.0.0:* or *:*
			dst = netip.AddrPort{}
		}
		rows = append(rows, ssRow{fields[0], src, dst})
	}
	return rows
}

func TestLookIsWhatSSSays(t *testing.T) {
	l := newLab(t, "40000 40299")
	populate(l)
	r := l.settled(waiting)
	type key struct {
		src netip.Addr
		dst netip.AddrPort
	}
	count, inTimeWait := map[key]int{}, map[key]int{}
	for _, row := range l.ss("-Htan") {
		if row.state == "LISTEN" {
			continue
		}
		k := key{row.src.Addr(), row.dst}
		count[k]++
		if row.state == "TIME-WAIT" {
			inTimeWait[k]++
		}
	}
	udp := map[netip.Addr]int{}
	for _, row := range l.ss("-Huan") {
		if row.src.Port() >= 40000 {
			udp[row.src.Addr()]++
		}
	}
	compared := 0
	for _, p := range r.Pools.Pools {
		switch {
		case p.Dst.IsValid():
			k := key{p.Src, p.Dst}
			if p.InUse != count[k] || p.States[event.TimeWait] != inTimeWait[k] {
				t.Errorf("%v: %d in use, %d in TIME_WAIT; ss lists %d, %d", k, p.InUse, p.States[event.TimeWait], count[k], inTimeWait[k])
			}
			compared += p.InUse
		case p.Proto == event.UDP:
			if p.InUse != udp[p.Src] {
				t.Errorf("udp on %s: %d in use, ss lists %d", p.Src, p.InUse, udp[p.Src])
			}
			compared += p.InUse
		}
	}
	if want := toFirst + waiting + toSecond + listening*accepted + udpBound + udpTo; compared != want {
		t.Errorf("compared %d sockets, want %d", compared, want)
	}
}
