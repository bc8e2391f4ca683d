package scenario

import (
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"golang.org/x/sys/unix"

	"porttrace/internal/event"
	"porttrace/internal/lifetime"
	"porttrace/internal/testutil"
)

// visitJob connects once when it is told to, closes and is gone.
func visitJob(t *testing.T) {
	if n, err := unix.Read(childLink, make([]byte, 1)); err != nil || n == 0 {
		t.Fatalf("waiting to be told: %v", err)
	}
	fd, err := unix.Socket(unix.AF_INET, unix.SOCK_STREAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		t.Fatal(err)
	}
	s := &sock{t, nil, fd}
	s.mustConnect(netip.AddrPortFrom(v4, serverPort))
	os.Exit(0) // which closes it
}

const (
	containerID = "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef"
	podUID      = "0f6f2c7e-54b2-4a11-9f7a-3e1a7d8b9c00"
)

// places are trees of cgroups as systemd, container runtimes and the kubelet make them.
var places = map[string]lifetime.Place{
	"system.slice/x.service": {Unit: "x.service"},
	"user.slice/user-1000.slice/user@1000.service/app.slice/app-foo.service": {Unit: "user@1000.service", UserUnit: "app-foo.service"},
	"user.slice/user-1000.slice/session-3.scope":                             {Unit: "session-3.scope"},
	"system.slice/docker-" + containerID + ".scope":                          {Container: containerID, Runtime: "docker"},
	"machine.slice/libpod-" + containerID + ".scope/container":               {Container: containerID, Runtime: "podman"},
	"lxc.payload.web/system.slice/nginx.service":                             {Container: "web", ContainerName: "web", Runtime: "lxc", Unit: "nginx.service"},
	"kubepods/besteffort/pod" + podUID + "/" + containerID:                   {Container: containerID, PodUID: podUID, QoS: "besteffort"},
	"kubepods.slice/kubepods-burstable.slice/kubepods-burstable-pod" + strings.ReplaceAll(podUID, "-", "_") + ".slice/cri-containerd-" + containerID + ".scope": {
		Container: containerID, Runtime: "containerd", PodUID: podUID, QoS: "burstable"},
}

// grove makes the cgroups of a path below another cgroup, opens the innermost, and returns
// what fells them again.
func grove(t *testing.T, below testutil.Cgroup, path string) (leaf *os.File, fell func()) {
	t.Helper()
	dir := below.Dir
	var dirs []string
	for name := range strings.SplitSeq(path, "/") {
		dir = filepath.Join(dir, name)
		if err := os.Mkdir(dir, 0o755); err != nil && !os.IsExist(err) {
			t.Fatal(err)
		}
		dirs = append(dirs, dir)
	}
	leaf, err := os.Open(dir)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { leaf.Close() })
	return leaf, func() {
		for i := len(dirs) - 1; i >= 0; i-- {
			if err := os.Remove(dirs[i]); err != nil {
				t.Errorf("removing a cgroup: %v", err)
			}
		}
	}
}

// When the tracer reads that a port was assigned, the process is gone, and its cgroup, too.
func TestOwnerGoneBeforeAnybodyAsks(t *testing.T) {
	p := tcpSite(t, v4)
	reachable(t, p.ns) // FIN_WAIT2 to TIME_WAIT is often seen by looking only
	tr := start(t, withStates())
	above := testutil.NewCgroup(t, "porttrace-test-owner-*")
	for path, want := range places {
		want.Cgroup = above.Path + "/" + path
		leaf, fell := grove(t, above, path)
		tr.source.stalled.Lock()
		c := startChildIn(t, p.ns, leaf, "visit")
		c.tell("go")
		peer := p.srv.accept()
		c.end()
		fell()
		tr.source.stalled.Unlock()
		assigned := tr.one("assign", in(p.ns, lifetime.Assign, byPID(c.pid())))
		if got := assigned.Owner; got.Place.Value() != want || got.Comm != childComm || got.Program.Value() != (lifetime.Program{}) {
			t.Errorf("%s:\ngot  %+v\nwant %+v", path, got, want)
		}
		peer.close()
		waits := tr.one("TIME_WAIT", in(p.ns, lifetime.State, byPID(c.pid()), func(r *told) bool { return r.Hold.State == event.TimeWait }))
		if waits.Owner != assigned.Owner {
			t.Errorf("%s: the owner became %v", path, waits.Owner)
		}
	}
	tr.stop()
}

func byPID(pid uint32) func(*told) bool {
	return func(r *told) bool { return r.Owner.PID == pid }
}

// What a process runs is known as long as the port is, though it dies.
func TestOwnerIsRemembered(t *testing.T) {
	p := tcpSite(t, v4)
	reachable(t, p.ns)
	tr := start(t, withStates())
	above := testutil.NewCgroup(t, "porttrace-test-owner-*")
	leaf, fell := grove(t, above, "system.slice/x.service")
	c := startChildIn(t, p.ns, leaf, "make")
	peers, _ := c.makes(p)
	exe, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	want := lifetime.Program{Exe: exe, Cmdline: exe + " -test.run=^TestChild$"}
	check := func(what string, holds []told) {
		t.Helper()
		for _, h := range holds {
			if got := h.Owner; got.Program.Value() != want || got.Place.Value().Unit != "x.service" {
				t.Fatalf("%s: got %v, want %v in x.service", what, got, want)
			}
		}
	}
	check("alive", tr.wait(3*crowd, "assigns", in(p.ns, lifetime.Assign)))
	c.kill()
	fell()
	check("released by its death", tr.wait(2*crowd, "releases", in(p.ns, lifetime.Release)))
	for _, s := range peers {
		s.close()
	}
	check("in TIME_WAIT", tr.wait(crowd, "TIME_WAITs", func(r *told) bool {
		return in(p.ns, lifetime.State)(r) && r.Hold.State == event.TimeWait
	}))
	tr.stop()
}
