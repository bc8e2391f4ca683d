package chaos

import (
	"encoding/json"
	"fmt"
	"net/netip"
	"os"
	"os/exec"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"

	"porttrace/internal/event"
)

// member is a worker as the driver sees it.
type member struct {
	arena *arena
	cmd   *exec.Cmd
	link  int
	quiet chan struct{} // it said so
	gone  chan struct{} // all it ever said has been read
}

// startMember starts a worker in an arena. It is quiet at first.
func (r *run) startMember(a *arena, slot int) *member {
	r.t.Helper()
	ends, err := unix.Socketpair(unix.AF_UNIX, unix.SOCK_SEQPACKET|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		r.t.Fatal(err)
	}
	theirs := os.NewFile(uintptr(ends[1]), "link")
	defer theirs.Close()
	text, err := json.Marshal(orders{[2]uint64{r.rng.Uint64(), r.rng.Uint64()}, slot, crewSize, r.pace})
	if err != nil {
		r.t.Fatal(err)
	}
	m := &member{arena: a, link: ends[0], quiet: make(chan struct{}, 1), gone: make(chan struct{})}
	m.cmd = exec.Command("/proc/self/exe")
	m.cmd.Args[0] = "chaos-worker"
	m.cmd.Env = append(os.Environ(), roleEnv+"="+string(text), "GOMAXPROCS=1")
	m.cmd.Stderr = os.Stderr
	m.cmd.ExtraFiles = []*os.File{theirs}
	a.ns.Do(func() { err = m.cmd.Start() })
	if err != nil {
		r.t.Fatalf("starting a worker: %v", err)
	}
	r.workers[uint32(m.cmd.Process.Pid)] = true
	go r.listenTo(m)
	r.awaitQuiet(m)
	return m
}

// listenTo takes down what a worker says, until it is gone.
func (r *run) listenTo(m *member) {
	defer close(m.gone)
	buf := make([]byte, 1<<16)
	for {
		n, err := unix.Read(m.link, buf)
		if err == unix.EINTR {
			continue
		}
		if err != nil || n <= 0 {
			return
		}
		for line := range strings.Lines(string(buf[:n])) {
			r.ledger.note(m, strings.TrimSpace(line))
		}
	}
}

// say tells a worker something. One that is gone does not hear it.
func (m *member) say(what string) { _ = unix.Sendto(m.link, []byte(what), unix.MSG_NOSIGNAL, nil) }

// kill ends a worker with SIGKILL, and all its sockets with it.
func (m *member) kill() {
	_ = m.cmd.Process.Kill()
	_ = m.cmd.Wait()
	<-m.gone
	_ = unix.Close(m.link)
}

// claim is what a worker says that the kernel chose.
type claim struct {
	netns uint32
	pid   uint32
	proto event.Proto
	path  event.Path
	at    netip.AddrPort
}

func (c claim) String() string {
	return fmt.Sprintf("netns %d: %s %s by %s in process %d", c.netns, c.proto, c.at, c.path, c.pid)
}

func parseClaim(m *member, words []string) (claim, error) {
	if len(words) != 3 {
		return claim{}, fmt.Errorf("claim %q", words)
	}
	proto, err := event.ParseProto(words[0])
	if err != nil {
		return claim{}, err
	}
	at, err := netip.ParseAddrPort(words[1])
	if err != nil {
		return claim{}, err
	}
	path, err := event.ParsePath(words[2])
	return claim{m.arena.ns.Inode, uint32(m.cmd.Process.Pid), proto, path, at}, err
}

// note takes down one line of a worker.
func (l *ledger) note(m *member, line string) {
	word, rest, _ := strings.Cut(line, " ")
	words := strings.Fields(rest)
	l.mu.Lock()
	defer l.mu.Unlock()
	switch word {
	case tellQuiet:
		m.quiet <- struct{}{}
	case tellClaim:
		c, err := parseClaim(m, words)
		if err != nil {
			l.faults = append(l.faults, err.Error())
			return
		}
		l.claims[c]++
		l.claimed++
	case tellListening:
		port, _ := strconv.ParseUint(rest, 10, 16)
		l.listening[place{m.arena.ns.Inode, uint16(port)}] = true
	case tellDid:
		if len(words) == 2 {
			n, _ := strconv.Atoi(words[1])
			l.did[words[0]] += n
			l.operations += n
		}
	default:
		l.faults = append(l.faults, line)
	}
}
