package scenario

import (
	"os"
	"os/exec"
	"runtime"
	"strings"
	"syscall"
	"testing"

	"golang.org/x/sys/unix"

	"porttrace/internal/testutil"
)

// childJob names, in the environment, what a child process of the tests does. Children
// are this binary again, so that the tests need no other program.
const childJob = "PORTTRACE_TEST_CHILD"

// childComm is the name children go by.
const childComm = "porttrace-child"

// jobs are what children do. A child talks to the test over descriptor 3, a sequential
// packet socket; descriptor 4 is what it inherited.
var jobs = map[string]func(*testing.T){"keep": keepJob, "receive": receiveJob, "make": makeJob, "visit": visitJob}

const childLink, childInherited = 3, 4

// TestChild is the main function of children and no test.
func TestChild(t *testing.T) {
	job, ok := jobs[os.Getenv(childJob)]
	if !ok {
		return
	}
	runtime.LockOSThread()
	for _, path := range []string{"/proc/self/comm", "/proc/thread-self/comm"} {
		if err := os.WriteFile(path, []byte(childComm), 0); err != nil {
			t.Fatal(err)
		}
	}
	job(t)
	_, _ = unix.Read(childLink, make([]byte, 1)) // until the test closes its end, or is gone
}

// keepJob keeps the descriptor it inherited.
func keepJob(t *testing.T) { tellParent(t, "kept") }

// receiveJob takes a descriptor that is passed to it.
func receiveJob(t *testing.T) {
	oob := make([]byte, unix.CmsgSpace(4))
	_, n, _, _, err := unix.Recvmsg(childLink, make([]byte, 1), oob, unix.MSG_CMSG_CLOEXEC)
	if err != nil || n == 0 {
		t.Fatalf("receiving a descriptor: %v", err)
	}
	tellParent(t, "received")
}

func tellParent(t *testing.T, what string) {
	if _, err := unix.Write(childLink, []byte(what)); err != nil {
		t.Fatal(err)
	}
}

// child is a process that the test started in a namespace.
type child struct {
	t    *testing.T
	cmd  *exec.Cmd
	link int
}

// startChild starts a child in a namespace with what it inherits, if anything.
func startChild(t *testing.T, ns *testutil.NetNS, job string, inherits ...*sock) *child {
	t.Helper()
	return startChildIn(t, ns, nil, job, inherits...)
}

// startChildIn is startChild in a cgroup, if that is not nil.
func startChildIn(t *testing.T, ns *testutil.NetNS, cgroup *os.File, job string, inherits ...*sock) *child {
	t.Helper()
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	ends, err := unix.Socketpair(unix.AF_UNIX, unix.SOCK_SEQPACKET|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		t.Fatal(err)
	}
	theirs := os.NewFile(uintptr(ends[1]), "link")
	defer theirs.Close()
	c := &child{t, exec.Command(self, "-test.run=^TestChild$"), ends[0]}
	c.cmd.Env = append(os.Environ(), childJob+"="+job)
	c.cmd.Stderr = os.Stderr
	if cgroup != nil {
		c.cmd.SysProcAttr = &syscall.SysProcAttr{UseCgroupFD: true, CgroupFD: int(cgroup.Fd())}
	}
	c.cmd.ExtraFiles = []*os.File{theirs}
	for _, s := range inherits {
		fd, err := unix.FcntlInt(uintptr(s.fd), unix.F_DUPFD_CLOEXEC, 0)
		if err != nil {
			t.Fatal(err)
		}
		f := os.NewFile(uintptr(fd), "inherited")
		defer f.Close()
		c.cmd.ExtraFiles = append(c.cmd.ExtraFiles, f)
	}
	ns.Do(func() { err = c.cmd.Start() })
	if err != nil {
		t.Fatalf("starting a child: %v", err)
	}
	t.Cleanup(c.end)
	return c
}

func (c *child) pid() uint32 { return uint32(c.cmd.Process.Pid) }

func (c *child) tell(what string) {
	c.t.Helper()
	if _, err := unix.Write(c.link, []byte(what)); err != nil {
		c.t.Fatalf("telling the child: %v", err)
	}
}

// hear returns what the child says next.
func (c *child) hear() string {
	c.t.Helper()
	buf := make([]byte, 1<<16)
	n, err := unix.Read(c.link, buf)
	if err != nil || n == 0 {
		c.t.Fatalf("the child said nothing: %v", err)
	}
	return strings.TrimSpace(string(buf[:n]))
}

// pass sends a descriptor to the child.
func (c *child) pass(s *sock) {
	c.t.Helper()
	if err := unix.Sendmsg(c.link, []byte("x"), unix.UnixRights(s.fd), nil, 0); err != nil {
		c.t.Fatalf("passing a descriptor: %v", err)
	}
}

// end lets the child end, which closes its descriptors, and waits for that.
func (c *child) end() {
	if c.link >= 0 {
		unix.Close(c.link)
		c.link = -1
		_ = c.cmd.Wait()
	}
}

// kill ends the child with SIGKILL and waits for it.
func (c *child) kill() {
	c.t.Helper()
	if err := c.cmd.Process.Kill(); err != nil {
		c.t.Fatal(err)
	}
	c.end()
}
