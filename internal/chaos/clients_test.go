package chaos

import (
	"net/netip"
	"os"
	"os/exec"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"porttrace/internal/testutil"
)

// realClients adds to a long run what hosts really do: curl, each time a new process, and
// redis-benchmark, against nginx and redis in a namespace of their own. The judge looks at
// the others only. What is not installed is left out, and said.
func realClients(t *testing.T) {
	t.Helper()
	ns, dir := testutil.NewNetNS(t), t.TempDir()
	config := filepath.Join(dir, "nginx.conf")
	if err := os.WriteFile(config, []byte(testutil.NginxConfig(dir, netip.MustParseAddrPort("127.0.0.1:8080"))), 0o644); err != nil {
		t.Fatal(err)
	}
	for _, pair := range []struct {
		server, client []string
		pause          time.Duration
	}{
		{[]string{"nginx", "-p", dir, "-c", config, "-e", "stderr"},
			[]string{"curl", "--silent", "--noproxy", "*", "--output", os.DevNull, "http://127.0.0.1:8080/"}, 200 * time.Millisecond},
		{[]string{"redis-server", "--bind", "127.0.0.1", "--port", "6379", "--save", "", "--dir", dir, "--logfile", os.DevNull},
			[]string{"redis-benchmark", "-h", "127.0.0.1", "-q", "-c", "10", "-n", "500", "-t", "ping", "-k", "0"}, 2 * time.Second},
	} {
		if missing := missingOf(pair.server[0], pair.client[0]); missing != "" {
			t.Logf("no %s: this run goes without it", missing)
			continue
		}
		serve(t, ns, pair.server)
		again(t, ns, pair.client, pair.pause)
	}
}

func missingOf(names ...string) string {
	for _, name := range names {
		if _, err := testutil.FindProgram(name); err != nil {
			return name
		}
	}
	return ""
}

// serve runs a server until the end of the test.
func serve(t *testing.T, ns *testutil.NetNS, args []string) {
	t.Helper()
	path, err := testutil.FindProgram(args[0])
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command(path, args[1:]...)
	ns.Do(func() { err = cmd.Start() })
	if err != nil {
		t.Fatalf("starting %s: %v", args[0], err)
	}
	t.Cleanup(func() {
		_ = cmd.Process.Kill()
		_ = cmd.Wait()
	})
}

// again runs a client again and again until the end of the test. Whether it succeeds is
// not the question.
func again(t *testing.T, ns *testutil.NetNS, args []string, pause time.Duration) {
	t.Helper()
	stop := make(chan struct{})
	var running sync.WaitGroup
	running.Go(func() {
		for {
			select {
			case <-stop:
				return
			case <-time.After(pause):
			}
			cmd := exec.Command(args[0], args[1:]...)
			var err error
			ns.Do(func() { err = cmd.Start() })
			if err == nil {
				_ = cmd.Wait()
			}
		}
	})
	t.Cleanup(func() { close(stop); running.Wait() })
}
