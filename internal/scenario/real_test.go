package scenario

import (
	"net/netip"
	"os"
	"os/exec"
	"path/filepath"
	"testing"

	"porttrace/internal/event"
	"porttrace/internal/lifetime"
	"porttrace/internal/testutil"
)

// needProgram returns the path of a program that a test of real programs runs.
func needProgram(t *testing.T, name string) string {
	t.Helper()
	path, err := testutil.FindProgram(name)
	in := name
	if of, ok := map[string]string{"redis-benchmark": "redis-tools"}[name]; ok {
		in = of
	}
	testutil.Need(t, err == nil, name+" (Debian package "+in+")")
	return path
}

// startNginx runs nginx in a namespace until the end of the test.
func startNginx(t *testing.T, ns *testutil.NetNS, at netip.AddrPort) {
	t.Helper()
	dir := t.TempDir()
	config := filepath.Join(dir, "nginx.conf")
	if err := os.WriteFile(config, []byte(testutil.NginxConfig(dir, at)), 0o644); err != nil {
		t.Fatal(err)
	}
	nginx := exec.Command(needProgram(t, "nginx"), "-p", dir, "-c", config, "-e", "stderr")
	nginx.Stderr = os.Stderr
	var err error
	ns.Do(func() { err = nginx.Start() })
	if err != nil {
		t.Fatalf("starting nginx: %v", err)
	}
	t.Cleanup(func() {
		_ = nginx.Process.Kill()
		_ = nginx.Wait()
	})
	await(t, "nginx listens", func() bool {
		for _, e := range ns.Table(t) {
			if e.Src.Port() == serverPort && e.State == event.Listening {
				return true
			}
		}
		return false
	})
}

func TestCurlAgainstNginx(t *testing.T) {
	for _, addr := range []netip.Addr{v4, v6} {
		t.Run(addr.String(), func(t *testing.T) {
			curl := needProgram(t, "curl")
			ns := testutil.NewNetNS(t)
			reachable(t, ns)
			tr := start(t, withStates())
			at := netip.AddrPortFrom(addr, serverPort)
			startNginx(t, ns, at)
			pids := map[uint32]bool{}
			for range crowd {
				cmd := exec.Command(curl, "--silent", "--fail", "--noproxy", "*", "--output", os.DevNull, "http://"+at.String()+"/")
				var err error
				ns.Do(func() { err = cmd.Run() })
				if err != nil {
					t.Fatalf("curl: %v", err)
				}
				pids[uint32(cmd.Process.Pid)] = true
			}
			for _, h := range tr.wait(crowd, "assigns", in(ns, lifetime.Assign)) {
				if h.Path != event.Connect || h.Owner.Comm != "curl" || !pids[h.Owner.PID] || h.Dst != at {
					t.Errorf("want a connect of curl to %s, got %s", at, describe(&h))
				}
				delete(pids, h.Owner.PID)
			}
			if len(pids) != 0 {
				t.Errorf("no hold of processes %v", pids)
			}
			tr.truth(ns)
			tr.wait(crowd, "assigns in the end", in(ns, lifetime.Assign))
		})
	}
}
