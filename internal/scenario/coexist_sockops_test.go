package scenario

import (
	"encoding/hex"
	"fmt"
	"net/netip"
	"path/filepath"
	"strings"
	"testing"

	"github.com/cilium/ebpf"
	"github.com/cilium/ebpf/asm"
	"golang.org/x/sys/unix"

	"porttrace/internal/testutil"
)

// conduct is how TCP behaves in a new namespace, as far as a sockops program could
// change it: what sockets say of themselves and what they put on the wire. It is the same
// each time: nothing in it depends on time.
func conduct(t *testing.T, addr netip.Addr, ecn string) string {
	t.Helper()
	ns := testutil.NewNetNS(t)
	defer ns.Destroy()
	ns.Sysctl(t, "ipv4/tcp_ecn", ecn)
	at := netip.AddrPortFrom(addr, serverPort)
	srv := serverAt(t, ns, at)
	defer srv.close()
	w := newWire(t, ns, addr)
	defer w.raw.close()
	client := tcpSock(t, ns, addr)
	defer client.close()
	client.mustConnect(at)
	peer := srv.accept()
	defer peer.close()
	lines := []string{
		"SYN " + w.handshake(func(s segment) bool { return s.to.Port() == serverPort && !s.has(flagACK) }),
		"SYN ACK " + w.handshake(func(s segment) bool { return s.from.Port() == serverPort && s.has(flagACK) }),
		"client " + settings(client), "server " + settings(peer),
	}
	srv.deafen()
	waiting := tcpSock(t, ns, addr)
	defer waiting.close()
	waiting.beginConnect(at)
	lines = append(lines, fmt.Sprintf("waiting: RTO %d us, %s", tcpInfo(waiting).Rto, settings(waiting)))
	return strings.Join(lines, "\n")
}

// handshake returns a segment of the handshake: flags, window and options, but for the
// timestamps.
func (w *wire) handshake(pick func(segment) bool) string {
	w.t.Helper()
	s := w.next("a segment of the handshake", func(s segment) bool { return s.has(flagSYN) && pick(s) })
	options := append([]byte(nil), s.tcp[20:4*int(s.tcp[12]>>4)]...)
	for i := 0; i < len(options) && options[i] != 0; {
		switch options[i] {
		case 1: // NOP
			i++
			continue
		case 8: // timestamps (RFC 7323)
			clear(options[i+2 : i+10])
		}
		i += int(options[i+1])
	}
	return fmt.Sprintf("flags %x, window %s, options %s", s.tcp[12:14], hex.EncodeToString(s.tcp[14:16]), hex.EncodeToString(options))
}

func tcpInfo(s *sock) *unix.TCPInfo {
	s.t.Helper()
	info, err := unix.GetsockoptTCPInfo(s.fd, unix.IPPROTO_TCP, unix.TCP_INFO)
	if err != nil {
		s.t.Fatalf("TCP_INFO: %v", err)
	}
	return info
}

func settings(s *sock) string {
	s.t.Helper()
	get := func(level, option int) int {
		value, err := unix.GetsockoptInt(s.fd, level, option)
		if err != nil {
			s.t.Fatalf("getsockopt %d %d: %v", level, option, err)
		}
		return value
	}
	congestion, err := unix.GetsockoptString(s.fd, unix.IPPROTO_TCP, unix.TCP_CONGESTION)
	if err != nil {
		s.t.Fatalf("TCP_CONGESTION: %v", err)
	}
	info := tcpInfo(s)
	return fmt.Sprintf("options %#x, MSS %d %d %d, cwnd %d, ssthresh %d %d, receive space %d, reordering %d, PMTU %d, "+
		"buffers %d %d, clamp %d, %s, SYNs %d, keep-alive %d, user timeout %d, no delay %d, mark %d, priority %d, TOS %d",
		info.Options, info.Snd_mss, info.Rcv_mss, info.Advmss, info.Snd_cwnd, info.Snd_ssthresh, info.Rcv_ssthresh, info.Rcv_space,
		info.Reordering, info.Pmtu, get(unix.SOL_SOCKET, unix.SO_SNDBUF), get(unix.SOL_SOCKET, unix.SO_RCVBUF),
		get(unix.IPPROTO_TCP, unix.TCP_WINDOW_CLAMP), congestion, get(unix.IPPROTO_TCP, unix.TCP_SYNCNT),
		get(unix.SOL_SOCKET, unix.SO_KEEPALIVE), get(unix.IPPROTO_TCP, unix.TCP_USER_TIMEOUT), get(unix.IPPROTO_TCP, unix.TCP_NODELAY),
		get(unix.SOL_SOCKET, unix.SO_MARK), get(unix.SOL_SOCKET, unix.SO_PRIORITY), get(unix.IPPROTO_IP, unix.IP_TOS))
}

// ecnModes are values of net.ipv4.tcp_ecn: off, on, and only where the peer asks.
var ecnModes = []string{"0", "1", "2"}

// A socket behaves the same with and without us.
func TestSocketsBehaveAsWithoutTracer(t *testing.T) {
	inThese(t, []family{{"v4", v4}, {"v6", v6}}, func(t *testing.T, addr netip.Addr) {
		for _, ecn := range ecnModes {
			t.Run("tcp_ecn "+ecn, func(t *testing.T) {
				testutil.NeedBPF(t)
				before := conduct(t, addr, ecn)
				if again := conduct(t, addr, ecn); again != before {
					t.Fatalf("without the tracer, TCP does\n%s\nand another time\n%s", before, again)
				}
				tr := start(t, everything())
				if with := conduct(t, addr, ecn); with != before {
					t.Errorf("without the tracer, TCP does\n%s\nwith it\n%s", before, with)
				}
				tr.stop()
				if after := conduct(t, addr, ecn); after != before {
					t.Errorf("before the tracer, TCP does\n%s\nafter it\n%s", before, after)
				}
			})
		}
	})
}

// Offsets in struct bpf_sock_ops (linux/bpf.h), and how the kernel's questions are
// answered by the other program of the tests.
const (
	opsReply  = 4
	opsRemote = 24
	opsLocal  = 28
)

var answers = []struct{ op, reply int32 }{
	{unix.BPF_SOCK_OPS_TIMEOUT_INIT, 700}, // jiffies
	{unix.BPF_SOCK_OPS_RWND_INIT, 3},      // segments
	{unix.BPF_SOCK_OPS_NEEDS_ECN, 1},
}

// answering answers for connections of the marked address.
func answering(t *testing.T) *ebpf.Program {
	t.Helper()
	ins := asm.Instructions{
		asm.LoadMem(asm.R2, asm.R1, opsRemote, asm.Word),
		asm.JEq.Imm(asm.R2, int32(inMemory(marked)), "ask"),
		asm.LoadMem(asm.R2, asm.R1, opsLocal, asm.Word),
		asm.JNE.Imm(asm.R2, int32(inMemory(marked)), "pass"),
		asm.LoadMem(asm.R2, asm.R1, 0, asm.Word).WithSymbol("ask"),
	}
	for i, a := range answers {
		next := fmt.Sprintf("after%d", i)
		ins = append(ins,
			asm.JNE.Imm(asm.R2, a.op, next),
			asm.Mov.Imm(asm.R3, a.reply),
			asm.StoreMem(asm.R1, opsReply, asm.R3, asm.Word),
			asm.Mov.Imm(asm.R0, 1).WithSymbol(next))
	}
	ins = append(ins, asm.Mov.Imm(asm.R0, 1).WithSymbol("pass"), asm.Return())
	return loadForeign(t, ebpf.SockOps, ebpf.AttachCGroupSockOps, ins)
}

// What another program answers the kernel survives us, whoever came first.
func TestAnswersOfAnotherSurvive(t *testing.T) {
	for _, way := range attachments {
		t.Run(way.name, func(t *testing.T) {
			testutil.NeedBPF(t)
			bare := conduct(t, marked, "2")
			own := testutil.NewCgroup(t, "porttrace-test-sockops-*")
			t.Cleanup(own.Enter(t))
			dir := own.Dir
			if way.root {
				dir = filepath.Dir(own.Dir)
			}
			var tr *trace
			if !way.first {
				tr = start(t, everything())
			}
			attachTo(t, dir, answering(t), ebpf.AttachCGroupSockOps, way.flags)
			first := conduct(t, marked, "2")
			if first == bare {
				t.Fatalf("the other program changes nothing of\n%s", bare)
			}
			if way.first {
				tr = start(t, everything())
			} else {
				tr.stop()
			}
			if second := conduct(t, marked, "2"); second != first {
				t.Errorf("beside another program, traced: %t, TCP does\n%s\nand then\n%s", !way.first, first, second)
			}
		})
	}
}
