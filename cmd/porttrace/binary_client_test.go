//go:build linux

package main

import (
	"bufio"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"runtime"
	"strconv"
	"strings"
	"testing"
	"unsafe"

	"golang.org/x/sys/unix"

	"porttrace/internal/testutil"
)

// clientProcess makes the traffic of a test: a process in a namespace of its own, which
// porttrace finds as it finds every process's.
type clientProcess struct {
	t       *testing.T
	ns      *testutil.NetNS
	pid     int
	in      io.Writer
	answers *bufio.Scanner
}

// newClient starts a client to be traced in a new namespace with these ephemeral ports. Its
// arguments are for others to see.
func newClient(t *testing.T, lo, hi uint16, args ...string) *clientProcess {
	t.Helper()
	testutil.NeedBPF(t)
	return startClient(t, lo, hi, args...)
}

// startClient is newClient for those who load no BPF.
func startClient(t *testing.T, lo, hi uint16, args ...string) *clientProcess {
	t.Helper()
	testutil.Need(t, os.Geteuid() == 0, "root, to make network namespaces")
	ns := testutil.NewNetNS(t)
	ns.Sysctl(t, "ipv4/ip_local_port_range", fmt.Sprint(lo, hi))
	c := &clientProcess{t: t, ns: ns}
	cmd := exec.Command("/proc/self/exe", args...)
	cmd.Env = append(os.Environ(), roleEnv+"=client")
	c.run(cmd, func() (err error) {
		ns.Do(func() { err = cmd.Start() })
		return err
	})
	c.pid = cmd.Process.Pid
	return c
}

// run starts the client, or what starts it, and waits until it listens.
func (c *clientProcess) run(cmd *exec.Cmd, start func() error) {
	t := c.t
	t.Helper()
	cmd.Stderr = os.Stderr
	in, err := cmd.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := start(); err != nil {
		t.Fatalf("starting the client: %v", err)
	}
	t.Cleanup(func() {
		in.Close() // which ends it
		if err := cmd.Wait(); err != nil {
			t.Errorf("the client: %v", err)
		}
	})
	c.in, c.answers = in, bufio.NewScanner(out)
	c.answers.Buffer(nil, 1<<20)
	c.do("ready")
}

// netns returns the flag that traces the client's namespace only: tests of others run
// on the same kernel.
func (c *clientProcess) netns() string { return "--netns=" + strconv.Itoa(c.pid) }

// do has the client carry out a command, and returns the ports it tells.
func (c *clientProcess) do(command string, args ...any) []uint16 {
	c.t.Helper()
	line := strings.TrimSpace(command + " " + strings.Trim(fmt.Sprintln(args...), "\n"))
	if _, err := fmt.Fprintln(c.in, line); err != nil {
		c.t.Fatalf("telling the client to %s: %v", line, err)
	}
	if !c.answers.Scan() {
		c.t.Fatalf("the client died over %s: %v", line, c.answers.Err())
	}
	words := strings.Fields(c.answers.Text())
	if len(words) == 0 || words[0] != "ok" {
		c.t.Fatalf("%s: %s", line, c.answers.Text())
	}
	var ports []uint16
	for _, word := range words[1:] {
		port, err := strconv.ParseUint(word, 10, 16)
		if err != nil {
			c.t.Fatalf("%s: %v", line, err)
		}
		ports = append(ports, uint16(port))
	}
	return ports
}

// serverPort is explicit, and so no hold of an ephemeral port.
const serverPort = 7777

// peers is what the client process has: one thread that is both ends of connections.
type peers struct {
	listener int
	open     []pair
}

type pair struct{ near, far int }

// client is the other side of do.
func client() int {
	runtime.LockOSThread() // its name is the owner's
	p, err := newPeers()
	commands := bufio.NewScanner(os.Stdin)
	for err == nil && commands.Scan() {
		var answer string
		if answer, err = p.command(strings.Fields(commands.Text())); err == nil {
			fmt.Println(strings.TrimSpace("ok " + answer))
		}
	}
	if err != nil {
		fmt.Println(err)
		return 1
	}
	return 0
}

func newPeers() (*peers, error) {
	fd, err := unix.Socket(unix.AF_INET, unix.SOCK_STREAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return nil, err
	}
	if err := unix.SetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_REUSEADDR, 1); err != nil {
		return nil, err
	}
	if err := unix.Bind(fd, server()); err != nil {
		return nil, err
	}
	return &peers{listener: fd}, unix.Listen(fd, 1024)
}

func server() unix.Sockaddr {
	return &unix.SockaddrInet4{Port: serverPort, Addr: [4]byte{127, 0, 0, 1}}
}

func (p *peers) command(words []string) (answer string, err error) {
	n := 0
	if len(words) == 2 {
		n, _ = strconv.Atoi(words[1])
	}
	switch words[0] {
	case "open": // n connections, which stay
		return p.connect(n)
	case "close": // all connections, the far end first: no TIME_WAIT at the near one
		return "", p.closeAll()
	case "storm": // n connections one after the other, each reset
		for range n {
			if err := p.reset(); err != nil {
				return "", err
			}
		}
	case "fail": // to find a port
		if _, err := p.connect(1); !errors.Is(err, unix.EADDRNOTAVAIL) {
			return "", fmt.Errorf("connect() with no port left: %v", err)
		}
	case "wait": // n connections into TIME_WAIT
		for range n {
			if err := p.wait(); err != nil {
				return "", err
			}
		}
	case "rename": // the process, not this thread
		name, err := hex.DecodeString(words[1])
		if err != nil {
			return "", err
		}
		return "", os.WriteFile("/proc/self/comm", name, 0)
	case "churn": // short connections until no port is left, then n attempts in vain
		return "", p.churn(n)
	case "name":
		name, err := hex.DecodeString(words[1])
		if err != nil {
			return "", err
		}
		name = append(name, 0)
		return "", unix.Prctl(unix.PR_SET_NAME, uintptr(unsafe.Pointer(&name[0])), 0, 0, 0)
	}
	return "", nil
}

func (p *peers) connect(n int) (ports string, err error) {
	for range n {
		near, err := unix.Socket(unix.AF_INET, unix.SOCK_STREAM|unix.SOCK_CLOEXEC, 0)
		if err != nil {
			return "", err
		}
		if err := unix.Connect(near, server()); err != nil {
			unix.Close(near)
			return "", fmt.Errorf("connect: %w", err)
		}
		far, _, err := unix.Accept4(p.listener, unix.SOCK_CLOEXEC)
		if err != nil {
			return "", fmt.Errorf("accept: %w", err)
		}
		local, err := unix.Getsockname(near)
		if err != nil {
			return "", err
		}
		p.open = append(p.open, pair{near, far})
		ports += fmt.Sprint(" ", local.(*unix.SockaddrInet4).Port)
	}
	return ports, nil
}

func (p *peers) closeAll() error {
	for _, c := range p.open {
		if err := unix.Close(c.far); err != nil {
			return err
		}
		var b [1]byte // the near end closes once it has seen the far one do so
		if n, err := unix.Read(c.near, b[:]); n != 0 || err != nil {
			return fmt.Errorf("reading the end of a connection: %d, %w", n, err)
		}
		if err := unix.Close(c.near); err != nil {
			return err
		}
	}
	p.open = p.open[:0]
	return nil
}

// wait closes a new connection, the near end first, which is so the one to wait.
func (p *peers) wait() error {
	if _, err := p.connect(1); err != nil {
		return err
	}
	c := p.open[len(p.open)-1]
	p.open = p.open[:len(p.open)-1]
	if err := unix.Close(c.near); err != nil {
		return err
	}
	var b [1]byte
	if n, err := unix.Read(c.far, b[:]); n != 0 || err != nil {
		return fmt.Errorf("reading the end of a connection: %d, %w", n, err)
	}
	return unix.Close(c.far)
}

// churn makes short connections until so many find no port.
func (p *peers) churn(inVain int) error {
	for failed := 0; failed < inVain; {
		switch err := p.wait(); {
		case errors.Is(err, unix.EADDRNOTAVAIL):
			failed++
		case err != nil:
			return err
		}
	}
	return nil
}

func (p *peers) reset() error {
	if _, err := p.connect(1); err != nil {
		return err
	}
	c := p.open[len(p.open)-1]
	p.open = p.open[:len(p.open)-1]
	if err := unix.SetsockoptLinger(c.near, unix.SOL_SOCKET, unix.SO_LINGER, &unix.Linger{Onoff: 1}); err != nil {
		return err
	}
	if err := unix.Close(c.near); err != nil {
		return err
	}
	return unix.Close(c.far)
}
