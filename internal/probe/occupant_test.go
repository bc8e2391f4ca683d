package probe

import (
	"fmt"
	"os"
	"testing"

	"github.com/cilium/ebpf"
	"github.com/cilium/ebpf/asm"
	"github.com/cilium/ebpf/link"

	"porttrace/internal/cgroup"
	"porttrace/internal/testutil/need"
)

// newCgroup stands for the root cgroup, to which no test of its own may keep others from
// attaching.
func newCgroup(t *testing.T) string {
	t.Helper()
	need.Root(t, "a cgroup of its own")
	root, done, err := cgroup.OpenRoot()
	if err != nil {
		t.Fatal(err)
	}
	dir, err := os.MkdirTemp(root, "porttrace-test-")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := os.Remove(dir); err != nil {
			t.Error(err)
		}
		if err := done(); err != nil {
			t.Error(err)
		}
	})
	return dir
}

// attachOther attaches a program of somebody else's.
func attachOther(t *testing.T, dir string, at ebpf.AttachType, flags uint32) *ebpf.Program {
	t.Helper()
	p, err := ebpf.NewProgram(&ebpf.ProgramSpec{
		Name: "somebodys", Type: ebpf.CGroupSockAddr, AttachType: at, License: "GPL",
		Instructions: asm.Instructions{asm.Mov.Imm(asm.R0, 1), asm.Return()},
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { p.Close() })
	f, err := os.Open(dir)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { f.Close() })
	err = link.RawAttachProgram(link.RawAttachProgramOptions{Target: int(f.Fd()), Program: p, Attach: at, Flags: flags})
	if err != nil {
		t.Fatal(err)
	}
	return p
}

// The flags of BPF_PROG_ATTACH (linux/bpf.h).
const (
	exclusive     = 0
	allowOverride = 1 << 0
	allowMulti    = 1 << 1
)

func TestAttachBesideOthers(t *testing.T) {
	h := stableHooks[place(stableHooks, "bind4")]
	for name, tc := range map[string]struct {
		flags   uint32
		refused bool
	}{
		"exclusive":       {exclusive, true},
		"with override":   {allowOverride, true},
		"with all others": {allowMulti, false},
	} {
		t.Run(name, func(t *testing.T) {
			if err := Preflight(Stable); err != nil {
				need.That(t, false, "hooks that work: "+err.Error())
			}
			coll, err := loadOnly(Stable, h.program)
			if err != nil {
				t.Fatal(err)
			}
			defer coll.Close()
			dir := newCgroup(t)
			other := attachOther(t, dir, h.cgroup, tc.flags)
			l, err := h.attach(coll.Programs[h.program], dir)
			if err == nil {
				l.Close()
			}
			if (err != nil) != tc.refused {
				t.Fatalf("attaching says %v, want an error: %t", err, tc.refused)
			}
			if err == nil {
				return
			}
			info, infoErr := other.Info()
			if infoErr != nil {
				t.Fatal(infoErr)
			}
			id, _ := info.ID()
			want := fmt.Sprintf("attaching bind4 (%s): BPF program somebodys (id %d) is attached to the root cgroup as CGroupInet4Bind so that no other can be beside it: stop what attached it, or have it use BPF_F_ALLOW_MULTI", h.what, id)
			if err.Error() != want {
				t.Errorf("it says %q, want %q", err, want)
			}
		})
	}
}
