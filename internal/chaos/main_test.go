// Package chaos runs a random workload on real sockets, with the tracer on top and the
// kernel's own tables as judge. A run follows from its seed, as far as a kernel with
// several CPUs lets it.
//
//	PORTTRACE_CHAOS_SEED      the seed of a run that failed; random unless given
//	PORTTRACE_CHAOS_DURATION  how long the sockets live, such as 1h
//	PORTTRACE_CHAOS_PACE      operations a second and worker
//	PORTTRACE_CHAOS_DIR       where the recording stays, else it is removed, and, of a run whose
//	                          duration is given, samples of the tracer and a chart of them
//	PORTTRACE_TEST_PROGRAM    the porttrace to test; built unless given
package chaos

import (
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"sync"
	"testing"
)

const (
	durationEnv = "PORTTRACE_CHAOS_DURATION"
	dirEnv      = "PORTTRACE_CHAOS_DIR"
)

// roleEnv says that this process is a worker, and gives it its orders.
const roleEnv = "PORTTRACE_CHAOS_WORKER"

// heirEnv says that this process is a worker's child, and lives as long as its standard input.
const heirEnv = "PORTTRACE_CHAOS_HEIR"

func TestMain(m *testing.M) {
	if os.Getenv(heirEnv) != "" {
		_, _ = io.Copy(io.Discard, os.Stdin)
		os.Exit(0)
	}
	if orders, ok := os.LookupEnv(roleEnv); ok {
		os.Unsetenv(roleEnv)
		if err := work(orders); err != nil {
			fmt.Fprintf(os.Stderr, "chaos worker: %v\n", err)
			os.Exit(1)
		}
		os.Exit(0)
	}
	status := m.Run()
	if built.dir != "" {
		os.RemoveAll(built.dir)
	}
	os.Exit(status)
}

// built is the program under test.
var built struct {
	once      sync.Once
	dir, path string
	err       error
}

// program returns the path of porttrace, built once for all tests of a run.
func program(t *testing.T) string {
	t.Helper()
	built.once.Do(func() {
		if built.path = os.Getenv("PORTTRACE_TEST_PROGRAM"); built.path != "" {
			return
		}
		if built.dir, built.err = os.MkdirTemp("", "porttrace-chaos-"); built.err != nil {
			return
		}
		built.path = filepath.Join(built.dir, "porttrace")
		out, err := exec.Command("go", "build", "-o", built.path, "porttrace/cmd/porttrace").CombinedOutput()
		if err != nil {
			built.err = fmt.Errorf("building porttrace: %w\n%s", err, out)
		}
	})
	if built.err != nil {
		t.Fatal(built.err)
	}
	return built.path
}
