package scenario

import (
	"os"
	"testing"

	"golang.org/x/sys/unix"

	"porttrace/internal/cgroup"
	"porttrace/internal/event"
	"porttrace/internal/lifetime"
	"porttrace/internal/testutil"
	"porttrace/internal/testutil/need"
)

// needVersion1 returns a hierarchy of cgroup v1, and makes one on a machine of the tests' own.
func needVersion1(t *testing.T) cgroup.Version1 {
	t.Helper()
	find := func() (cgroup.Version1, bool) {
		v, ok, err := cgroup.FindVersion1()
		if err != nil {
			t.Fatal(err)
		}
		return v, ok
	}
	v, ok := find()
	if !ok && os.Getenv(ownMachine) == "1" {
		place := t.TempDir()
		if err := unix.Mount("cgroup", place, "cgroup", 0, "pids"); err != nil {
			t.Fatalf("mounting cgroup v1: %v", err)
		}
		t.Cleanup(func() {
			if err := unix.Unmount(place, 0); err != nil {
				t.Errorf("unmounting cgroup v1: %v", err)
			}
		})
		v, ok = find()
	}
	need.That(t, ok, "a hierarchy of cgroup v1")
	return v
}

// Where a runtime uses cgroup v1 alone, version 2 has its containers in the root, or on hybrid
// hosts where the runtime is. They are told all the same, also of the dead.
func TestOwnerInVersion1(t *testing.T) {
	v := needVersion1(t)
	p := tcpSite(t, v4)
	reachable(t, p.ns)
	above1 := testutil.NewCgroup1(t, v, "porttrace-test-owner-*")
	above2 := testutil.NewCgroup(t, "porttrace-test-owner-*")
	tr := start(t, withStates())
	want := lifetime.Place{Cgroup: above1.Path + "/docker/" + containerID, Container: containerID, Runtime: "docker"}
	for name, path2 := range map[string]string{"version 1 alone": "", "hybrid": "system.slice/containerd.service"} {
		for _, dead := range []bool{false, true} {
			_, fell1 := grove(t, above1, "docker/"+containerID)
			leaf2, fell2 := (*os.File)(nil), func() {}
			if path2 != "" {
				leaf2, fell2 = grove(t, above2, path2)
			}
			c := startChildIn(t, p.ns, leaf2, "visit")
			testutil.Cgroup{Dir: above1.Dir + "/docker/" + containerID}.Add(t, int(c.pid()))
			byThis := in(p.ns, lifetime.Assign, byPID(c.pid()))
			if dead {
				tr.source.stalled.Lock()
			}
			c.tell("go")
			peer := p.srv.accept()
			c.end()
			if dead {
				fell1()
				fell2()
				tr.source.stalled.Unlock()
			}
			assigned := tr.one("assign", byThis)
			if got := assigned.Owner.Place.Value(); got != want {
				t.Errorf("%s, dead %t:\ngot  %+v\nwant %+v", name, dead, got, want)
			}
			peer.close()
			waits := tr.one("TIME_WAIT", in(p.ns, lifetime.State, byPID(c.pid()), func(r *told) bool { return r.Hold.State == event.TimeWait }))
			if waits.Owner != assigned.Owner {
				t.Errorf("%s, dead %t: the owner became %v", name, dead, waits.Owner)
			}
			if !dead {
				fell1()
				fell2()
			}
		}
	}
	tr.stop()
}
