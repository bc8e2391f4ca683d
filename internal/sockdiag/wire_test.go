package sockdiag

import (
	"encoding/binary"
	"errors"
	"net/netip"
	"testing"

	"golang.org/x/sys/unix"
)

// message returns a netlink message with its padding.
func message(typ, flags uint16, body []byte) []byte {
	msg := make([]byte, align(headerSize+len(body)))
	native.PutUint32(msg, uint32(headerSize+len(body)))
	native.PutUint16(msg[4:], typ)
	native.PutUint16(msg[6:], flags)
	copy(msg[headerSize:], body)
	return msg
}

func exampleSocket() []byte {
	b := make([]byte, socketSize)
	b[0], b[1] = unix.AF_INET6, byte(TimeWait)
	binary.BigEndian.PutUint16(b[4:], 60568)
	binary.BigEndian.PutUint16(b[6:], 443)
	copy(b[8:], netip.MustParseAddr("::ffff:192.0.2.1").AsSlice())
	copy(b[24:], netip.MustParseAddr("2001:db8::1").AsSlice())
	native.PutUint32(b[44:], 7)
	native.PutUint32(b[48:], 1)
	native.PutUint32(b[64:], 1000)
	native.PutUint32(b[68:], 4242)
	return b
}

func errnoBody(errno unix.Errno) []byte {
	return native.AppendUint32(nil, uint32(-int32(errno)))
}

func TestParseReadsEveryField(t *testing.T) {
	in := message(unix.SOCK_DIAG_BY_FAMILY, unix.NLM_F_MULTI, append(exampleSocket(), 5, 0, 8, 0, 1)) // with an attribute
	in = append(in, message(unix.SOCK_DIAG_BY_FAMILY, unix.NLM_F_MULTI, exampleSocket())...)
	got, done, err := parse(nil, in)
	if err != nil || done || len(got) != 2 {
		t.Fatalf("got %d sockets, done %t, %v", len(got), done, err)
	}
	want := Socket{
		Family: unix.AF_INET6, State: TimeWait, Cookie: 1<<32 | 7, UID: 1000, Inode: 4242,
		Src: netip.MustParseAddrPort("192.0.2.1:60568"), Dst: netip.MustParseAddrPort("[2001:db8::1]:443"),
	}
	if got[0] != want || got[1] != want {
		t.Errorf("got %+v, want %+v", got[0], want)
	}
}

func TestParseTellsTheEnd(t *testing.T) {
	socket := message(unix.SOCK_DIAG_BY_FAMILY, unix.NLM_F_MULTI, exampleSocket())
	tests := map[string]struct {
		in   []byte
		n    int
		done bool
		err  error
	}{
		"nothing":          {in: nil},
		"more to come":     {in: socket, n: 1},
		"done":             {in: append(socket[:len(socket):len(socket)], message(unix.NLMSG_DONE, unix.NLM_F_MULTI, errnoBody(0))...), n: 1, done: true},
		"done, no errno":   {in: message(unix.NLMSG_DONE, 0, nil), done: true},
		"done, with errno": {in: message(unix.NLMSG_DONE, 0, errnoBody(unix.ENOMEM)), err: unix.ENOMEM},
		"refused":          {in: message(unix.NLMSG_ERROR, 0, errnoBody(unix.ENOENT)), err: unix.ENOENT},
		"noop":             {in: message(unix.NLMSG_NOOP, 0, nil)},
		"interrupted":      {in: message(unix.SOCK_DIAG_BY_FAMILY, unix.NLM_F_DUMP_INTR, exampleSocket()), n: 1, err: errInterrupted},
		"end, interrupted": {in: message(unix.NLMSG_DONE, unix.NLM_F_DUMP_INTR, errnoBody(0)), done: true, err: errInterrupted},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			got, done, err := parse(nil, test.in)
			if len(got) != test.n || done != test.done || !errors.Is(err, test.err) {
				t.Errorf("got %d sockets, done %t, %v; want %d, %t, %v", len(got), done, err, test.n, test.done, test.err)
			}
		})
	}
}

func TestParseRefusesWhatIsCut(t *testing.T) {
	whole := message(unix.SOCK_DIAG_BY_FAMILY, 0, exampleSocket())
	for n := 1; n < len(whole); n++ {
		if _, _, err := parse(nil, whole[:n]); !errors.Is(err, errShort) {
			t.Errorf("%d bytes of %d: %v", n, len(whole), err)
		}
	}
	for name, in := range map[string][]byte{
		"short socket": message(unix.SOCK_DIAG_BY_FAMILY, 0, exampleSocket()[:socketSize-1]),
		"short error":  message(unix.NLMSG_ERROR, 0, nil),
		"other type":   message(99, 0, nil),
		"other family": message(unix.SOCK_DIAG_BY_FAMILY, 0, make([]byte, socketSize)),
		"size 0":       make([]byte, headerSize),
	} {
		if _, done, err := parse(nil, in); err == nil || done {
			t.Errorf("%s: done %t, %v", name, done, err)
		}
	}
}

// Whatever comes, parse neither panics nor makes up more sockets than there is room for.
func FuzzParse(f *testing.F) {
	f.Add(message(unix.SOCK_DIAG_BY_FAMILY, unix.NLM_F_MULTI, exampleSocket()))
	f.Add(append(message(unix.SOCK_DIAG_BY_FAMILY, unix.NLM_F_DUMP_INTR, append(exampleSocket(), 1, 2, 3)),
		message(unix.NLMSG_DONE, 0, errnoBody(0))...))
	f.Add(message(unix.NLMSG_ERROR, 0, errnoBody(unix.EINVAL)))
	f.Fuzz(func(t *testing.T, in []byte) {
		sockets, done, err := parse(nil, in)
		if most := len(in) / (headerSize + socketSize); len(sockets) > most {
			t.Errorf("%d sockets from %d bytes, at most %d fit", len(sockets), len(in), most)
		}
		if done && err != nil && !errors.Is(err, errInterrupted) {
			t.Errorf("done, and yet %v", err)
		}
		for _, s := range sockets {
			if s.Src.Addr().Is4In6() || s.Dst.Addr().Is4In6() {
				t.Errorf("%+v has a mapped address", s)
			}
		}
	})
}
