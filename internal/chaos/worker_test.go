package chaos

import (
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"net/netip"
	"os"
	"runtime"
	"strings"
	"time"

	"golang.org/x/sys/unix"
)

// link is a worker's descriptor of the sequential packet socket to the driver.
const link = 3

// What the driver says to a worker, and the first words of a worker's lines.
const (
	sayPause  = "pause"
	sayResume = "resume"
	sayCalm   = "calm" // resume, without what makes sockets that a first look misses

	tellQuiet     = "quiet"     // nothing moves now
	tellClaim     = "claim"     // claim PROTO ADDRESS:PORT PATH: getsockname() says so
	tellListening = "listening" // listening PORT: accepted sockets will share it
	tellDid       = "did"       // did OPERATION TIMES, since the last quiet moment
	tellFault     = "fault"     // fault TEXT: what should not happen
)

// orders are what a worker is started with.
type orders struct {
	Seed  [2]uint64
	Slot  int // its place among the workers of its namespace
	Slots int
	Pace  int // operations a second
}

// worker lives in one namespace and does one operation after the other.
type worker struct {
	orders
	rng     *rand.Rand
	socks   []*sock
	servers [2]*sock // IPv4, IPv6: the ports others connect to
	full    *sock    // a listener that has no room
	inbox   int      // where descriptors from other workers arrive
	calm    bool
	stashes []stash
	forks   []fork
	calls   map[netip.AddrPort]*sock // clients by address until a server of ours accepts them
	did     map[string]int
	lines   []string
}

// maxLive bounds the sockets of a worker.
const maxLive = 200

// Ports asked for by number are none that the kernel chooses in a run.
const (
	serverPort    = 7000 // + slot
	fullPort      = 7100 // + slot
	closedPort    = 6999
	explicitFirst = 20000
	explicitCount = 9000
)

func work(text string) error {
	runtime.LockOSThread()
	unix.CloseOnExec(link)
	w := &worker{calls: map[netip.AddrPort]*sock{}, did: map[string]int{}}
	if err := json.Unmarshal([]byte(text), &w.orders); err != nil {
		return fmt.Errorf("reading orders: %w", err)
	}
	w.rng = rand.New(rand.NewPCG(w.Seed[0], w.Seed[1]))
	if err := os.WriteFile("/proc/self/comm", []byte("chaos-worker"), 0); err != nil {
		return err
	}
	if err := w.open(); err != nil {
		return fmt.Errorf("opening servers: %w", err)
	}
	w.tell(tellQuiet)
	w.flush()
	return w.loop()
}

// loop ends when the driver closes its end.
func (w *worker) loop() error {
	paused := true
	next := time.Now()
	for {
		wait := -1
		if !paused {
			wait = int(max(0, time.Until(next)) / time.Millisecond)
		}
		said, err := hear(wait)
		if err != nil {
			return err
		}
		switch said {
		case "gone":
			return nil
		case sayPause:
			paused = true
			w.quiet()
		case sayResume, sayCalm:
			paused, next, w.calm = false, time.Now(), said == sayCalm
		default:
			if !paused && !time.Now().Before(next) {
				w.operate()
				next = maxTime(next.Add(time.Second/time.Duration(w.Pace)), time.Now().Add(-time.Second/10))
			}
		}
	}
}

func maxTime(a, b time.Time) time.Time {
	if a.After(b) {
		return a
	}
	return b
}

// hear returns what the driver says within some milliseconds, "" for nothing.
func hear(wait int) (string, error) {
	fds := []unix.PollFd{{Fd: link, Events: unix.POLLIN}}
	n, err := unix.Poll(fds, wait)
	if n <= 0 {
		if err == unix.EINTR {
			err = nil
		}
		return "", err
	}
	buf := make([]byte, 64)
	n, err = unix.Read(link, buf)
	if err == nil && n == 0 || err == unix.ECONNRESET {
		return "gone", nil
	}
	return string(buf[:max(n, 0)]), err
}

// operate does one operation, and keeps the house.
func (w *worker) operate() {
	op := pick(w.rng, operations)
	if w.calm && op.wild {
		return
	}
	w.did[op.name]++
	op.do(w)
	for _, server := range w.servers {
		w.accept(server)
	}
	for len(w.socks) > maxLive {
		w.closeSock(w.any())
	}
}

// quiet tells the driver that the present operation is over.
func (w *worker) quiet() {
	for name, times := range w.did {
		w.tell("%s %s %d", tellDid, name, times)
	}
	clear(w.did)
	clear(w.calls)
	w.flush()
	w.tell(tellQuiet)
	w.flush()
}

// batch is how many lines wait for each other.
const batch = 16

func (w *worker) tell(format string, args ...any) {
	w.lines = append(w.lines, fmt.Sprintf(format, args...))
	if len(w.lines) >= batch {
		w.flush()
	}
}

func (w *worker) flush() {
	if len(w.lines) == 0 {
		return
	}
	// The driver's end is gone: so will be this worker, at its next look.
	_, _ = unix.Write(link, []byte(strings.Join(w.lines, "\n")))
	w.lines = w.lines[:0]
}

// fault tells of an error that no operation provokes on purpose.
func (w *worker) fault(what string, err error) { w.tell("%s %s: %v", tellFault, what, err) }

// open makes the worker's servers. They are asked for by number, so they are no holds.
func (w *worker) open() error {
	for i, k := range []kin{kinV4, kinV6} {
		s, err := w.listenAt(k, serverPort+w.Slot, 512)
		if err != nil {
			return err
		}
		w.servers[i] = s
	}
	var err error
	if w.full, err = w.listenAt(kinV4, fullPort+w.Slot, 0); err != nil {
		return err
	}
	// With a backlog of 0 there is room for one.
	if guest := w.newTCP(kinV4, false); guest != nil {
		guest.role = roleFixed
		_ = unix.Connect(guest.fd, kinV4.sockaddr(kinV4.loop, fullPort+w.Slot))
		w.socks = nil
	}
	return w.openInbox()
}
