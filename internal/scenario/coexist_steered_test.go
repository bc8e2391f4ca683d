package scenario

import (
	"errors"
	"fmt"
	"net/netip"
	"testing"

	"github.com/cilium/ebpf"
	"github.com/cilium/ebpf/asm"
	"github.com/cilium/ebpf/link"

	"porttrace/internal/event"
	"porttrace/internal/lifetime"
	"porttrace/internal/testutil"
)

// Where a TCP packet on the loopback has what is steered by (linux/if_ether.h, RFC 791, RFC
// 9293: no options of IP).
const (
	tcpDstPort = 14 + 20 + 2
	tcpFlags   = 14 + 20 + 13
	tcpSYN     = 1 << 1
)

// steered is the first of a crowd of ports that steer has a listener for.
const steered = 50000

// loopback is the index of its interface in every namespace.
const loopback = 1

// steer has the site's listener accept what comes for a crowd of other ports, as a proxy for
// many has with TPROXY.
func (p *site) steer() {
	p.t.Helper()
	port := inNetOrder(p.at.Port())
	ins := asm.Instructions{asm.Mov.Reg(asm.R6, asm.R1)}
	ins = append(ins, loadPacket(tcpFlags, 1)...)
	ins = append(ins,
		asm.LoadMem(asm.R2, asm.RFP, -1, asm.Byte),
		asm.JNE.Imm(asm.R2, tcpSYN, "pass"),
	)
	ins = append(ins, loadPacket(tcpDstPort, 2)...)
	ins = append(ins,
		asm.LoadMem(asm.R2, asm.RFP, -2, asm.Half),
		asm.HostTo(asm.BE, asm.R2, asm.Half),
		asm.JLT.Imm(asm.R2, steered, "pass"),
		asm.JGT.Imm(asm.R2, steered+crowd-1, "pass"),
		asm.StoreImm(asm.RFP, -16, 0, asm.Word),                   // from
		asm.StoreImm(asm.RFP, -12, int64(inMemory(v4)), asm.Word), // to
		asm.StoreImm(asm.RFP, -8, int64(port)<<16, asm.Word),      // from port, to port
		asm.Mov.Reg(asm.R1, asm.R6),
		asm.Mov.Reg(asm.R2, asm.RFP),
		asm.Add.Imm(asm.R2, -16),
		asm.Mov.Imm(asm.R3, 12),
		asm.Mov.Imm(asm.R4, -1), // BPF_F_CURRENT_NETNS
		asm.Mov.Imm(asm.R5, 0),
		asm.FnSkLookupTcp.Call(),
		asm.JEq.Imm(asm.R0, 0, "pass"),
		asm.Mov.Reg(asm.R7, asm.R0),
		asm.Mov.Reg(asm.R1, asm.R6),
		asm.Mov.Reg(asm.R2, asm.R7),
		asm.Mov.Imm(asm.R3, 0),
		asm.FnSkAssign.Call(),
		asm.Mov.Reg(asm.R1, asm.R7),
		asm.FnSkRelease.Call(),
		asm.Mov.Imm(asm.R0, 0).WithSymbol("pass"),
		asm.Return(),
	)
	prog := loadForeign(p.t, ebpf.SchedCLS, ebpf.AttachTCXIngress, ins)
	var at link.Link
	var err error
	p.ns.Do(func() {
		at, err = link.AttachTCX(link.TCXOptions{Interface: loopback, Program: prog, Attach: ebpf.AttachTCXIngress})
	})
	testutil.Need(p.t, !errors.Is(err, ebpf.ErrNotSupported), "programs where packets enter (tcx, Linux 6.6)")
	if err != nil {
		p.t.Fatalf("attaching a program that steers: %v", err)
	}
	p.t.Cleanup(func() { at.Close() })
}

// loadPacket puts bytes of the packet that R6 is about below the frame pointer.
func loadPacket(offset, size int32) asm.Instructions {
	return asm.Instructions{
		asm.Mov.Reg(asm.R1, asm.R6),
		asm.Mov.Imm(asm.R2, offset),
		asm.Mov.Reg(asm.R3, asm.RFP),
		asm.Add.Imm(asm.R3, -size),
		asm.Mov.Imm(asm.R4, size),
		asm.FnSkbLoadBytes.Call(),
		asm.JNE.Imm(asm.R0, 0, "pass"),
	}
}

// A proxy for many ports accepts on some that nobody is bound to, or that connect() chose. That
// is no hold either, nor is what is left of it in TIME_WAIT.
func TestAcceptedForAnother(t *testing.T) {
	p := tcpSite(t, v4)
	reachable(t, p.ns)
	p.steer()
	tr := start(t, withStates())
	p.ns.Sysctl(t, "ipv4/ip_local_port_range", fmt.Sprintf("%d %d", steered, steered))
	connectBlocking(p)
	p.ns.Sysctl(t, "ipv4/ip_local_port_range", "32768 60999")
	p.ns.Sysctl(t, "ipv4/ip_local_reserved_ports", fmt.Sprintf("%d-%d", steered, steered+crowd-1))
	conns := make([]conn, crowd)
	for i := range conns {
		c := tcpSock(t, p.ns, p.addr)
		c.mustConnect(netip.AddrPortFrom(p.addr, steered+uint16(i)))
		conns[i] = p.joined(c)
	}
	for _, c := range conns {
		c.leave()
	}
	await(t, "TIME_WAIT", func() bool {
		n := 0
		for _, e := range p.ns.Table(t) {
			if e.State == event.TimeWait {
				n++
			}
		}
		return n == crowd
	})
	tr.stop()
	tr.wait(crowd+1, "assigns: the clients", in(p.ns, lifetime.Assign))
}
