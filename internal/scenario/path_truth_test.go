package scenario

import (
	"fmt"
	"net/netip"
	"sort"
	"strings"
	"testing"
	"time"

	"porttrace/internal/event"
	"porttrace/internal/lifetime"
	"porttrace/internal/testutil"
)

// await waits for a condition, and fails the test if that takes too long.
func await(t testing.TB, what string, ok func() bool) {
	t.Helper()
	for deadline := time.Now().Add(patience); !ok(); {
		if time.Now().After(deadline) {
			t.Fatalf("%s: not so after %v", what, patience)
		}
		time.Sleep(2 * time.Millisecond)
	}
}

// latest returns the last record of every hold of a namespace that is not over.
func (tr *trace) latest(ns *testutil.NetNS) []told {
	open := map[uint64]told{}
	for _, r := range tr.all(func(r *told) bool { return r.ID != 0 && in(ns, r.Type)(r) }) {
		if r.Type == lifetime.Release {
			delete(open, r.ID)
		} else {
			open[r.ID] = r
		}
	}
	holds := make([]told, 0, len(open))
	for _, r := range open {
		holds = append(holds, r)
	}
	sort.Slice(holds, func(i, j int) bool { return holds[i].ID < holds[j].ID })
	return holds
}

// truth waits until the held set of a namespace is what the kernel's own tables list
// (DESIGN.md, invariant 2). The trace tells states; the server's port is left out, and
// so are TCP sockets that are only bound, which no table lists.
func (tr *trace) truth(ns *testutil.NetNS) {
	tr.t.Helper()
	var got, kernel string
	for deadline := time.Now().Add(patience); ; time.Sleep(5 * time.Millisecond) {
		kernel = kernelSet(tr.t, ns)
		got = heldSet(tr.latest(ns), true)
		if got == kernel && kernel == kernelSet(tr.t, ns) {
			return
		}
		if time.Now().After(deadline) {
			tr.t.Fatalf("the held set is\n%sthe kernel's tables have\n%s%s", got, kernel, tr.dump())
		}
	}
}

// truthAtEnd stops a trace and compares what it says is still held with the tables.
func (tr *trace) truthAtEnd(ns *testutil.NetNS) {
	tr.t.Helper()
	tr.stop()
	got := heldSet(tr.all(in(ns, lifetime.HeldAtEnd)), true)
	if kernel := kernelSet(tr.t, ns); got != kernel {
		tr.t.Errorf("held at the end\n%sthe kernel's tables have\n%s", got, kernel)
	}
}

func kernelSet(t testing.TB, ns *testutil.NetNS) string {
	var lines []string
	for _, e := range ns.Table(t) {
		if e.Src.Port() != serverPort {
			lines = append(lines, setLine(e.Proto, e.Src, e.Dst, e.State))
		}
	}
	return sorted(lines)
}

func heldSet(holds []told, tables bool) string {
	var lines []string
	for _, h := range holds {
		if tables && h.Proto == event.TCP && h.Hold.State == event.Bound {
			continue
		}
		lines = append(lines, setLine(h.Proto, netip.AddrPortFrom(h.Src, h.Port), h.Dst, h.Hold.State))
	}
	return sorted(lines)
}

func setLine(proto event.Proto, src, dst netip.AddrPort, state event.State) string {
	if dst.Port() == 0 || state == event.Bound {
		return fmt.Sprintf("  %s %s %s\n", proto, src, state)
	}
	return fmt.Sprintf("  %s %s -> %s %s\n", proto, src, dst, state)
}

func sorted(lines []string) string {
	sort.Strings(lines)
	return strings.Join(lines, "")
}

func describe(h *told) string {
	return fmt.Sprintf("type %d id %d %s %s:%d -> %s %s %s by %s/%d", h.Type, h.ID, h.Proto, h.Src, h.Port,
		h.Dst, h.Path, h.Hold.State, h.Owner.Comm, h.Owner.PID)
}
