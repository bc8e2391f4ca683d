package scenario

import (
	"bufio"
	"fmt"
	"io"
	"net/netip"
	"os"
	"os/exec"
	"strings"
	"testing"

	"golang.org/x/sys/unix"

	"porttrace/internal/event"
	"porttrace/internal/lifetime"
)

// doomedEnv turns the test binary into the process that TestReleaseKilled kills: it
// says where to connect to.
const doomedEnv = "PORTTRACE_TEST_DOOMED"

// TestDoomed is that process and no test: many sockets of each kind, then it waits for its
// end.
func TestDoomed(t *testing.T) {
	to, ok := os.LookupEnv(doomedEnv)
	if !ok {
		return
	}
	at := netip.MustParseAddrPort(to)
	for range crowd {
		hereSock(t, at, unix.SOCK_STREAM).mustConnect(at)
		hereSock(t, at, unix.SOCK_STREAM).mustBind(netip.AddrPortFrom(at.Addr(), 0))
		hereSock(t, at, unix.SOCK_DGRAM).mustConnect(at)
	}
	fmt.Println(doomedEnv)
	_, _ = io.Copy(io.Discard, os.Stdin)
}

// hereSock is a socket in the namespace of the process.
func hereSock(t *testing.T, at netip.AddrPort, typ int) *sock {
	t.Helper()
	fd, err := unix.Socket(familyOf(at.Addr()), typ|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		t.Fatalf("socket: %v", err)
	}
	return &sock{t, nil, fd}
}

// child starts the test binary as the doomed process in the rig's namespace, with
// inherited descriptors, and waits until it has its sockets.
func (r *rig) child(inherited ...*os.File) *exec.Cmd {
	r.t.Helper()
	cmd := exec.Command("/proc/self/exe", "-test.run=^TestDoomed$")
	cmd.Env = append(os.Environ(), doomedEnv+"="+r.at.String())
	cmd.ExtraFiles = inherited
	stdin, err := cmd.StdinPipe() // held open: its end would be the child's
	if err != nil {
		r.t.Fatal(err)
	}
	stdout, err := cmd.StdoutPipe()
	if err != nil {
		r.t.Fatal(err)
	}
	r.ns.Do(func() { err = cmd.Start() })
	if err != nil {
		r.t.Fatalf("starting the child: %v", err)
	}
	r.t.Cleanup(func() {
		_ = stdin.Close()
		_ = cmd.Process.Kill()
		_, _ = cmd.Process.Wait()
	})
	var said strings.Builder
	for lines := bufio.NewScanner(stdout); lines.Scan(); {
		if lines.Text() == doomedEnv {
			return cmd
		}
		said.WriteString(lines.Text() + "\n")
	}
	r.t.Fatalf("the child did not come up:\n%s", said.String())
	return nil
}

// A killed process loses what is only bound, and UDP, at once; its connections live on
// in FIN_WAIT2 until the peer ends them, and are still its own.
func TestReleaseKilled(t *testing.T) {
	t.Parallel()
	tr := start(t, everything())
	families(t, func(t *testing.T, addr netip.Addr) {
		r := newRig(t, tr, addr)
		r.receiver()
		cmd := r.child()
		peers := make([]*sock, crowd)
		for i := range peers {
			peers[i] = r.srv.accept()
		}
		if n := len(r.tr.all(r.in(lifetime.Release))); n != 0 {
			t.Fatalf("%d released before the kill", n)
		}
		if err := cmd.Process.Kill(); err != nil {
			t.Fatal(err)
		}
		isUDP := byProto(event.UDP)
		r.wait(crowd, "UDP releases", lifetime.Release, isUDP, byReason(event.Closed))
		r.wait(crowd, "bound releases", lifetime.Release, byPath(event.Bind), byReason(event.Closed))
		r.wait(2*crowd, "releases", lifetime.Release)
		await(t, "orphans in FIN_WAIT2", func() bool { return r.count(event.FinWait2) == crowd })
		for _, p := range peers {
			p.resetOnClose()
			p.close()
		}
		for _, got := range r.wait(crowd, "orphans", lifetime.Release, byPath(event.Connect), byReason(event.Reset)) {
			r.checkStates(&got, closedFirst)
		}
		r.wait(3*crowd, "releases", lifetime.Release)
		for _, got := range r.wait(3*crowd, "assigns", lifetime.Assign) {
			if int(got.Owner.PID) != cmd.Process.Pid {
				t.Fatalf("port %d: owner %+v, want process %d", got.Port, got.Owner, cmd.Process.Pid)
			}
		}
	})
}

// count counts the connections to the server in a state, as the kernel's table has it.
func (r *rig) count(state event.State) (n int) {
	r.t.Helper()
	for _, e := range r.ns.Table(r.t) {
		if e.Dst == r.at && e.State == state {
			n++
		}
	}
	return n
}

// What a child inherits it holds, though the owner is who connected.
func TestReleaseInherited(t *testing.T) {
	t.Parallel()
	tr := start(t, everything())
	r := newRig(t, tr, v4)
	r.receiver()
	conns := r.open()
	files := make([]*os.File, crowd)
	for i, c := range conns {
		c.resetOnClose()
		files[i] = os.NewFile(uintptr(c.fd), "inherited")
	}
	cmd := r.child(files...)
	for i, c := range conns {
		c.fd = -1
		files[i].Close()
	}
	await(t, "established without us", func() bool { return len(r.table(conns)) == crowd })
	for _, c := range conns {
		if n := len(r.tr.all(r.in(lifetime.Release, bySubject(c)))); n != 0 {
			t.Fatalf("port %d is released while a child has it", c.src.Port())
		}
		c.ended = r.now()
	}
	if err := cmd.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	r.checkReleased(conns, expected{event.Connect, event.Reset, []event.State{event.SynSent, event.Established}})
}
