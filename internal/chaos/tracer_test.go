package chaos

import (
	"bytes"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"porttrace/internal/testutil"
)

// tracer is porttrace itself, in a process of its own.
type tracer struct {
	t      *testing.T
	cmd    *exec.Cmd
	file   string // the recording
	stderr capture
	exited chan struct{}
}

// capture keeps what a process writes; it can be read meanwhile.
type capture struct {
	mu  sync.Mutex
	buf bytes.Buffer
}

func (c *capture) Write(b []byte) (int, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.buf.Write(b)
}

func (c *capture) String() string {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.buf.String()
}

// startTracer returns once it traces. The tracer does not outlive the test, however
// that ends.
func startTracer(t *testing.T, args ...string) *tracer {
	t.Helper()
	dir := os.Getenv(dirEnv)
	if dir == "" {
		dir = t.TempDir()
	}
	tr := &tracer{t: t, file: filepath.Join(dir, t.Name()+".jsonl"), exited: make(chan struct{})}
	_ = os.Remove(tr.file)
	args = append([]string{"-q", "--states", "-o", tr.file, "--hooks", string(testutil.Hooks(t))}, args...)
	tr.cmd = exec.Command(program(t), args...)
	if os.Getenv(durationEnv) != "" {
		tr.cmd.Env = append(os.Environ(), "PORTTRACE_RUNTIME_STATS=1s")
	}
	tr.cmd.Stderr = &tr.stderr
	tr.cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	started := make(chan error)
	go func() {
		// The signal is sent when the thread that started it ends (prctl(2)), and those that
		// lived in a namespace of the run do end.
		runtime.LockOSThread()
		defer runtime.UnlockOSThread()
		err := tr.cmd.Start()
		started <- err
		if err == nil {
			_ = tr.cmd.Wait() // the status is in ProcessState
			close(tr.exited)
		}
	}()
	if err := <-started; err != nil {
		t.Fatalf("starting porttrace: %v", err)
	}
	t.Cleanup(func() {
		// After a failure too it shall say what it lost.
		_ = tr.cmd.Process.Signal(syscall.SIGCONT)
		_ = tr.cmd.Process.Signal(syscall.SIGTERM)
		select {
		case <-tr.exited:
		case <-time.After(patience):
			_ = tr.cmd.Process.Kill()
			<-tr.exited
		}
		if t.Failed() {
			t.Logf("%q (%v) wrote to standard error:\n%s", tr.cmd.Args, tr.cmd.ProcessState, &tr.stderr)
		}
	})
	for !strings.Contains(tr.stderr.String(), "porttrace: tracing\n") {
		select {
		case <-tr.exited:
			t.Fatalf("porttrace exited (%v) before it traced:\n%s", tr.cmd.ProcessState, &tr.stderr)
		case <-time.After(5 * time.Millisecond):
		}
	}
	return tr
}

func (tr *tracer) signal(sig syscall.Signal) {
	tr.t.Helper()
	if err := tr.cmd.Process.Signal(sig); err != nil {
		tr.t.Fatalf("sending %v: %v\n%s", sig, err, &tr.stderr)
	}
}

// stop ends the trace as an init system does; it must end well.
func (tr *tracer) stop() {
	tr.t.Helper()
	tr.signal(syscall.SIGTERM)
	select {
	case <-tr.exited:
	case <-time.After(patience):
		tr.t.Fatalf("porttrace goes on %v after SIGTERM", patience)
	}
	if status := tr.cmd.ProcessState; !status.Success() {
		tr.t.Fatalf("porttrace: %v\n%s", status, &tr.stderr)
	}
}
