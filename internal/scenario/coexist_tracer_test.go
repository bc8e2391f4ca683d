package scenario

import (
	"errors"
	"testing"

	"github.com/cilium/ebpf"
	"github.com/cilium/ebpf/asm"
	"github.com/cilium/ebpf/link"
	"golang.org/x/sys/unix"

	"porttrace/internal/event"
	"porttrace/internal/lifetime"
	"porttrace/internal/probe"
	"porttrace/internal/testutil"
)

// Other tracers in the same places, who come before us or after and go while we trace: we
// and they see everything.
func TestBesideOtherTracers(t *testing.T) {
	for _, first := range []bool{true, false} {
		t.Run(map[bool]string{true: "first", false: "after"}[first], func(t *testing.T) {
			p := tcpSite(t, v4)
			t.Cleanup(func() { _ = unix.Shutdown(p.srv.fd, unix.SHUT_RD) })
			go acceptAndClose(p)
			var others *tracers
			if first {
				others = traceToo(t)
			}
			tr := start(t, everything())
			comeAndGo(p)
			if !first {
				others = traceToo(t)
			}
			comeAndGo(p)
			others.check(t, tr.probe.Hooks())
			others.detach(t)
			comeAndGo(p)
			n := 3 * crowd * len(comingAndGoing)
			tr.wait(n, "releases", in(p.ns, lifetime.Release, byReason(event.Closed)))
			tr.wait(n, "assigns", in(p.ns, lifetime.Assign))
			tr.truthAtEnd(p.ns)
		})
	}
}

// tracers count in places where porttrace has hooks.
type tracers struct {
	kinds map[string]int // that this kernel allows: in how many places
	links []link.Link
	seen  []*ebpf.Map
	names []string
}

// Every socket that comes and goes passes one of these.
var tracedFunctions = []string{"inet_csk_get_port", "inet_put_port", "inet_hash_connect", "udp_lib_get_port", "udp_lib_unhash"}

func traceToo(t *testing.T) *tracers {
	t.Helper()
	testutil.NeedBPF(t)
	// Before 5.11 maps count; where that may not be raised they do not.
	_ = unix.Setrlimit(unix.RLIMIT_MEMLOCK, &unix.Rlimit{Cur: unix.RLIM_INFINITY, Max: unix.RLIM_INFINITY})
	o := &tracers{kinds: map[string]int{}}
	for _, function := range tracedFunctions {
		for kind, at := range map[string]ebpf.AttachType{"fentry": ebpf.AttachTraceFEntry, "fexit": ebpf.AttachTraceFExit} {
			o.attach(t, kind, function, ebpf.ProgramSpec{Type: ebpf.Tracing, AttachType: at, AttachTo: function},
				func(p *ebpf.Program) (link.Link, error) { return link.AttachTracing(link.TracingOptions{Program: p}) })
		}
		probes := ebpf.ProgramSpec{Type: ebpf.Kprobe}
		o.attach(t, "kprobe", function, probes, func(p *ebpf.Program) (link.Link, error) { return link.Kprobe(function, p, nil) })
		o.attach(t, "kretprobe", function, probes, func(p *ebpf.Program) (link.Link, error) { return link.Kretprobe(function, p, nil) })
	}
	const state = "inet_sock_set_state"
	o.attach(t, "tp_btf", state, ebpf.ProgramSpec{Type: ebpf.Tracing, AttachType: ebpf.AttachTraceRawTp, AttachTo: state},
		func(p *ebpf.Program) (link.Link, error) { return link.AttachTracing(link.TracingOptions{Program: p}) })
	o.attach(t, "raw tracepoint", state, ebpf.ProgramSpec{Type: ebpf.RawTracepoint},
		func(p *ebpf.Program) (link.Link, error) {
			return link.AttachRawTracepoint(link.RawTracepointOptions{Name: state, Program: p})
		})
	t.Cleanup(func() { o.detach(t) })
	return o
}

// attach does so where the kernel allows the kind; one that it allows somewhere it is to
// allow everywhere.
func (o *tracers) attach(t *testing.T, kind, place string, spec ebpf.ProgramSpec, hook func(*ebpf.Program) (link.Link, error)) {
	t.Helper()
	seen, err := ebpf.NewMap(&ebpf.MapSpec{Type: ebpf.Array, KeySize: 4, ValueSize: 8, MaxEntries: 1})
	if err != nil {
		t.Fatal(err)
	}
	spec.Name, spec.License, spec.Instructions = "foreign", "GPL", counting(seen)
	p, err := ebpf.NewProgram(&spec)
	if err == nil {
		defer p.Close()
		var l link.Link
		if l, err = hook(p); err == nil {
			o.kinds[kind]++
			o.links, o.seen, o.names = append(o.links, l), append(o.seen, seen), append(o.names, kind+" "+place)
			return
		}
	}
	seen.Close()
	if o.kinds[kind] != 0 {
		t.Fatalf("attaching another tracer's %s of %s: %v", kind, place, err)
	}
	t.Logf("another tracer's %s of %s: %v", kind, place, err)
}

func counting(seen *ebpf.Map) asm.Instructions {
	return asm.Instructions{
		asm.StoreImm(asm.RFP, -4, 0, asm.Word),
		asm.LoadMapPtr(asm.R1, seen.FD()),
		asm.Mov.Reg(asm.R2, asm.RFP),
		asm.Add.Imm(asm.R2, -4),
		asm.FnMapLookupElem.Call(),
		asm.JEq.Imm(asm.R0, 0, "out"),
		asm.Mov.Imm(asm.R1, 1),
		asm.StoreXAdd(asm.R0, asm.R1, asm.DWord),
		asm.Mov.Imm(asm.R0, 0).WithSymbol("out"),
		asm.Return(),
	}
}

// check is that they saw what we saw, and that they sit where we do.
func (o *tracers) check(t *testing.T, hooks probe.Set) {
	t.Helper()
	want := map[string]int{"tp_btf": 1, "raw tracepoint": 1}
	if hooks == probe.Fentry {
		want["fentry"], want["fexit"], want["kprobe"], want["kretprobe"] = len(tracedFunctions), len(tracedFunctions), len(tracedFunctions), len(tracedFunctions)
	}
	for kind, n := range want {
		if o.kinds[kind] != n {
			t.Errorf("beside the %s set others sit in %d places with a %s, want %d", hooks, o.kinds[kind], kind, n)
		}
	}
	for i, seen := range o.seen {
		var n uint64
		if err := seen.Lookup(uint32(0), &n); err != nil || n < crowd {
			t.Errorf("another tracer's %s saw %d calls, want %d or more: %v", o.names[i], n, crowd, err)
		}
	}
}

func (o *tracers) detach(t *testing.T) {
	t.Helper()
	for i, l := range o.links {
		if err := errors.Join(l.Close(), o.seen[i].Close()); err != nil {
			t.Errorf("detaching another tracer: %v", err)
		}
	}
	o.links, o.seen = nil, nil
}
