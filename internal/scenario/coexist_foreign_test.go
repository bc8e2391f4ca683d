package scenario

import (
	"encoding/binary"
	"net/netip"
	"os"
	"path/filepath"
	"testing"

	"github.com/cilium/ebpf"
	"github.com/cilium/ebpf/asm"
	"github.com/cilium/ebpf/features"
	"github.com/cilium/ebpf/link"

	"porttrace/internal/testutil"
)

// marked is an address of the loopback that the programs of others in these tests look
// for: what runs beside the tests does not use it.
var marked = netip.MustParseAddr("127.77.0.1")

// Offsets in the contexts of cgroup programs (linux/bpf.h).
const (
	addrIP4  = 4  // struct bpf_sock_addr, user_ip4
	addrPort = 24 // struct bpf_sock_addr, user_port
	sockIP4  = 24 // struct bpf_sock, src_ip4
)

// foreign is a BPF program of somebody else's: on sockets with the marked address it
// runs what it is made of, with the context in R6; it lets all others pass.
type foreign struct {
	at  ebpf.AttachType
	ip4 int16 // where the address is
	on  asm.Instructions
}

func (f foreign) load(t *testing.T) *ebpf.Program {
	t.Helper()
	ins := asm.Instructions{
		asm.Mov.Reg(asm.R6, asm.R1),
		asm.LoadMem(asm.R2, asm.R6, f.ip4, asm.Word),
		asm.JNE.Imm(asm.R2, int32(inMemory(marked)), "pass"),
	}
	ins = append(append(ins, f.on...), asm.Mov.Imm(asm.R0, 1).WithSymbol("pass"), asm.Return())
	typ := ebpf.CGroupSockAddr
	if f.at == ebpf.AttachCGroupInet4PostBind {
		typ = ebpf.CGroupSock
	}
	return loadForeign(t, typ, f.at, ins)
}

func loadForeign(t testing.TB, typ ebpf.ProgramType, at ebpf.AttachType, ins asm.Instructions) *ebpf.Program {
	t.Helper()
	p, err := ebpf.NewProgram(&ebpf.ProgramSpec{Name: "foreign", Type: typ, AttachType: at, License: "GPL", Instructions: ins})
	if err != nil {
		t.Fatalf("loading a program of another tool's: %v", err)
	}
	t.Cleanup(func() { p.Close() })
	return p
}

// inMemory is an address as the kernel keeps it, read as a number.
func inMemory(a netip.Addr) uint32 {
	b := a.As4()
	return binary.NativeEndian.Uint32(b[:])
}

// refuse makes the system call return EPERM.
var refuse = asm.Instructions{asm.Mov.Imm(asm.R0, 0), asm.Return()}

// rewrite puts another value into the context.
func rewrite(offset int16, value uint32) asm.Instructions {
	return asm.Instructions{asm.LoadImm(asm.R3, int64(value), asm.DWord), asm.StoreMem(asm.R6, offset, asm.R3, asm.Word)}
}

// inNetOrder is a port as contexts have it.
func inNetOrder(port uint16) uint32 {
	return uint32(binary.NativeEndian.Uint16(binary.BigEndian.AppendUint16(nil, port)))
}

// The flags of BPF_PROG_ATTACH (linux/bpf.h); a link has its own way.
const (
	flagsExclusive = 0
	flagsOverride  = 1 << 0
	flagsMulti     = 1 << 1
	byLink         = 1 << 31
)

// attachment is a way a program of another tool's comes to be beside ours.
type attachment struct {
	name  string
	root  bool // where all must allow others beside them
	flags uint32
	first bool // attached before we trace
}

// runsBefore says whether it runs before ours, as the programs of child cgroups do.
func (a attachment) runsBefore() bool { return a.first || !a.root }

// runsAfter says whether it has the last word.
func (a attachment) runsAfter() bool { return !a.runsBefore() }

func anyhow(attachment) bool { return true }

var attachments = []attachment{
	{"root link before", true, byLink, true},
	{"root link after", true, byLink, false},
	{"root multi before", true, flagsMulti, true},
	{"root multi after", true, flagsMulti, false},
	{"child link before", false, byLink, true},
	{"child link after", false, byLink, false},
	{"child multi after", false, flagsMulti, false},
	{"child override before", false, flagsOverride, true},
	{"child exclusive before", false, flagsExclusive, true},
	{"child exclusive after", false, flagsExclusive, false},
}

// attachTo attaches until the end of the test.
func attachTo(t *testing.T, dir string, p *ebpf.Program, at ebpf.AttachType, flags uint32) {
	t.Helper()
	if flags == byLink {
		l, err := link.AttachCgroup(link.CgroupOptions{Path: dir, Program: p, Attach: at})
		if err != nil {
			t.Fatalf("attaching a program of another tool's: %v", err)
		}
		t.Cleanup(func() { l.Close() })
		return
	}
	f, err := os.Open(dir)
	if err != nil {
		t.Fatal(err)
	}
	options := link.RawAttachProgramOptions{Target: int(f.Fd()), Program: p, Attach: at, Flags: flags}
	if err := link.RawAttachProgram(options); err != nil {
		t.Fatalf("attaching a program of another tool's: %v", err)
	}
	t.Cleanup(func() {
		if err := link.RawDetachProgram(link.RawDetachProgramOptions{Target: int(f.Fd()), Program: p, Attach: at}); err != nil {
			t.Errorf("detaching a program of another tool's: %v", err)
		}
		f.Close()
	})
}

// besides runs a scenario with these programs of others attached in every such way. Those
// who come after us meet one trace.
func besides(t *testing.T, programs []foreign, such func(attachment) bool, run func(t *testing.T, p *site, tr *trace)) {
	t.Helper()
	testutil.NeedBPF(t)
	var latecomers []attachment
	for _, way := range attachments {
		switch {
		case !such(way):
		case way.first:
			t.Run(way.name, func(t *testing.T) {
				p := beside(t, programs, way)
				run(t, p, start(t, withStates()))
			})
		default:
			latecomers = append(latecomers, way)
		}
	}
	if len(latecomers) == 0 {
		return
	}
	tr := start(t, withStates())
	for _, way := range latecomers {
		t.Run(way.name, func(t *testing.T) {
			run(t, beside(t, programs, way), tr.with(t))
		})
	}
}

// beside is a site in a cgroup of its own, beside programs of others.
func beside(t *testing.T, programs []foreign, way attachment) *site {
	t.Helper()
	own := testutil.NewCgroup(t, "porttrace-test-foreign-*")
	t.Cleanup(own.Enter(t)) // sockets are of the cgroup that they are made in
	p := tcpSite(t, v4)
	dir := own.Dir
	if way.root {
		dir = filepath.Dir(own.Dir)
	}
	for _, f := range programs {
		attachTo(t, dir, f.load(t), f.at, way.flags)
	}
	return p
}

// seesRefusals says whether this kernel and hook set tell us that a program that ran
// before ours refused the call.
func (tr *trace) seesRefusals() bool {
	return tr.probe.Hooks() != "stable" || features.HaveProgramHelper(ebpf.CGroupSockAddr, asm.FnGetRetval) == nil
}
