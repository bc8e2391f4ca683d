package scenario

import (
	"encoding/binary"
	"net/netip"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"porttrace/internal/testutil"
)

// TCP flags (RFC 9293, 3.1).
const (
	flagFIN = 1 << iota
	flagSYN
	flagRST
	flagPSH
	flagACK
)

// segment is a TCP segment as it was on the wire.
type segment struct {
	from, to netip.AddrPort
	tcp      []byte // header and data
}

func (s segment) seq() uint32         { return binary.BigEndian.Uint32(s.tcp[4:]) }
func (s segment) has(flags byte) bool { return s.tcp[13]&flags == flags }

// wire hears every segment of one family in a namespace, and can forge some.
type wire struct {
	t    testing.TB
	raw  *sock
	addr netip.Addr
}

// newWire listens on the loopback of a namespace. Segments sent before are not heard. A RST
// ends a TIME_WAIT there (see server).
func newWire(t testing.TB, ns *testutil.NetNS, addr netip.Addr) *wire {
	t.Helper()
	ns.Sysctl(t, "ipv4/tcp_rfc1337", "0")
	raw := &sock{t, ns, -1}
	var err error
	ns.Do(func() { raw.fd, err = unix.Socket(familyOf(addr), unix.SOCK_RAW|unix.SOCK_CLOEXEC, unix.IPPROTO_TCP) })
	if err != nil {
		t.Fatalf("raw socket: %v", err)
	}
	t.Cleanup(raw.close)
	raw.set(unix.SOL_SOCKET, unix.SO_RCVBUFFORCE, 8<<20)
	limit := unix.NsecToTimeval(patience.Nanoseconds())
	if err := unix.SetsockoptTimeval(raw.fd, unix.SOL_SOCKET, unix.SO_RCVTIMEO, &limit); err != nil {
		t.Fatalf("SO_RCVTIMEO: %v", err)
	}
	return &wire{t, raw, addr}
}

// next waits for the next segment that pick picks.
func (w *wire) next(what string, pick func(segment) bool) segment {
	w.t.Helper()
	buf := make([]byte, 1<<16)
	for deadline := time.Now().Add(patience); time.Now().Before(deadline); {
		n, err := unix.Read(w.raw.fd, buf)
		if err == unix.EINTR {
			continue
		}
		if err != nil {
			w.t.Fatalf("waiting for %s on the wire: %v", what, err)
		}
		tcp := buf[:n]
		if w.addr.Is4() { // raw IPv6 sockets leave the header out
			tcp = tcp[4*int(tcp[0]&15):]
		}
		seg := segment{
			from: netip.AddrPortFrom(w.addr, binary.BigEndian.Uint16(tcp)),
			to:   netip.AddrPortFrom(w.addr, binary.BigEndian.Uint16(tcp[2:])),
			tcp:  append([]byte(nil), tcp...),
		}
		if pick(seg) {
			return seg
		}
	}
	w.t.Fatalf("%s was not on the wire", what)
	return segment{}
}

// finTo waits for the server's FIN to a client port.
func (w *wire) finTo(port uint16) segment {
	w.t.Helper()
	return w.next("a FIN", func(s segment) bool { return s.to.Port() == port && s.has(flagFIN) })
}

// synFrom waits for a client's SYN.
func (w *wire) synFrom(port uint16) segment {
	w.t.Helper()
	return w.next("a SYN", func(s segment) bool { return s.from.Port() == port && s.has(flagSYN) })
}

// send puts a segment on the wire, with its checksum put right: on the loopback it is
// never computed.
func (w *wire) send(s segment) {
	w.t.Helper()
	tcp := append([]byte(nil), s.tcp...)
	binary.BigEndian.PutUint16(tcp[16:], 0)
	pseudo := append(s.from.Addr().AsSlice(), s.to.Addr().AsSlice()...)
	pseudo = binary.BigEndian.AppendUint32(pseudo, uint32(len(tcp)))
	pseudo = binary.BigEndian.AppendUint32(pseudo, unix.IPPROTO_TCP)
	binary.BigEndian.PutUint16(tcp[16:], checksum(append(pseudo, tcp...)))
	if err := unix.Sendto(w.raw.fd, tcp, 0, sockaddr(netip.AddrPortFrom(s.to.Addr(), 0))); err != nil {
		w.t.Fatalf("sending a segment: %v", err)
	}
}

// resetAfter sends the RST that follows a FIN: the only one that ends a TIME_WAIT.
func (w *wire) resetAfter(fin segment) {
	w.t.Helper()
	tcp := make([]byte, 20)
	copy(tcp, fin.tcp[:4])
	binary.BigEndian.PutUint32(tcp[4:], fin.seq()+1)
	tcp[12] = 5 << 4
	tcp[13] = flagRST
	w.send(segment{fin.from, fin.to, tcp})
}

// unreachable answers a segment with ICMP: no such host.
func (w *wire) unreachable(s segment) {
	w.t.Helper()
	proto, typ, code := unix.IPPROTO_ICMP, byte(3), byte(1)
	header := make([]byte, 20)
	if w.addr.Is4() {
		header[0] = 4<<4 | 5
		binary.BigEndian.PutUint16(header[2:], uint16(20+len(s.tcp)))
		header[8] = 64
		header[9] = unix.IPPROTO_TCP
		copy(header[12:], s.from.Addr().AsSlice())
		copy(header[16:], s.to.Addr().AsSlice())
	} else {
		proto, typ, code = unix.IPPROTO_ICMPV6, 1, 3
		header = make([]byte, 40)
		header[0] = 6 << 4
		binary.BigEndian.PutUint16(header[4:], uint16(len(s.tcp)))
		header[6] = unix.IPPROTO_TCP
		header[7] = 64
		copy(header[8:], s.from.Addr().AsSlice())
		copy(header[24:], s.to.Addr().AsSlice())
	}
	icmp := append([]byte{typ, code, 0, 0, 0, 0, 0, 0}, header...)
	icmp = append(icmp, s.tcp...)
	binary.BigEndian.PutUint16(icmp[2:], checksum(icmp)) // the kernel does it again for IPv6
	w.sendICMP(proto, icmp)
}

func (w *wire) sendICMP(proto int, icmp []byte) {
	w.t.Helper()
	fd, err := -1, error(nil)
	w.raw.ns.Do(func() { fd, err = unix.Socket(familyOf(w.addr), unix.SOCK_RAW|unix.SOCK_CLOEXEC, proto) })
	if err != nil {
		w.t.Fatalf("ICMP socket: %v", err)
	}
	defer unix.Close(fd)
	if err := unix.Sendto(fd, icmp, 0, sockaddr(netip.AddrPortFrom(w.addr, 0))); err != nil {
		w.t.Fatalf("sending ICMP: %v", err)
	}
}

// checksum is the Internet checksum (RFC 1071).
func checksum(b []byte) uint16 {
	var sum uint32
	for i := 0; i+1 < len(b); i += 2 {
		sum += uint32(binary.BigEndian.Uint16(b[i:]))
	}
	if len(b)%2 == 1 {
		sum += uint32(b[len(b)-1]) << 8
	}
	for sum > 0xffff {
		sum = sum>>16 + sum&0xffff
	}
	return ^uint16(sum)
}
