package main

import (
	"encoding/json"
	"fmt"
	"io"
	"os"
	"strconv"
	"strings"
	"time"

	"golang.org/x/sys/unix"
)

// maxHolds is as many as can be made and looked at before the first leave TIME_WAIT.
const maxHolds = 500_000

// holdsPerPort is half of what a destination has local ports for: beyond that, the
// kernel's search for a free one takes longer and longer.
const holdsPerPort = 32_000

// holdings is what the holder tells each time it is asked.
type holdings struct {
	Made     int
	Took     time.Duration
	TimeWait int // of its namespace, at this moment
}

// runHolder is the only process of a new network namespace. At the first byte of its
// input it makes the holds, at each later one it counts what is left of them, and it
// keeps them until the input ends.
func runHolder(o options, stdin io.Reader, stdout io.Writer) error {
	if err := prepareNamespace(); err != nil {
		return err
	}
	// After a second a connect may take a port over from TIME_WAIT: here all stay.
	if err := os.WriteFile("/proc/sys/net/ipv4/tcp_tw_reuse", []byte("0"), 0); err != nil {
		return fmt.Errorf("preparing the network namespace: %w", err)
	}
	var pairs []pair
	for i := range portsFor(o.holds) {
		p, err := newPair(firstPort + i)
		if err != nil {
			return err
		}
		pairs = append(pairs, p)
	}
	out := json.NewEncoder(stdout)
	var told holdings
	for {
		if err := out.Encode(told); err != nil {
			return fmt.Errorf("telling what is held: %w", err)
		}
		if !started(stdin) {
			return nil
		}
		if told.Made == 0 {
			began := time.Now()
			for ; told.Made < o.holds; told.Made++ {
				if err := pairs[told.Made%len(pairs)].hold(); err != nil {
					return fmt.Errorf("making hold %d of %d: %w", told.Made+1, o.holds, err)
				}
			}
			told.Took = time.Since(began)
		}
		text, err := os.ReadFile("/proc/net/sockstat")
		if err != nil {
			return fmt.Errorf("counting what is held: %w", err)
		}
		told.TimeWait = timeWaits(string(text))
	}
}

// portsFor is how many destinations it takes to hold so many ports: the same local port
// can be held once towards each.
func portsFor(holds int) int { return (holds + holdsPerPort - 1) / holdsPerPort }

// timeWaits reads "TCP: inuse 8 orphan 0 tw 250000 alloc 9 mem 0".
func timeWaits(sockstat string) int {
	tcp, _ := field(sockstat, "TCP")
	words := strings.Fields(tcp)
	for i := 0; i+1 < len(words); i += 2 {
		if words[i] == "tw" {
			n, _ := strconv.Atoi(words[i+1]) // 0 if it is no number
			return n
		}
	}
	return 0
}

// pair is a listener and how to get there.
type pair struct {
	listener int
	to       step
}

func newPair(port int) (pair, error) {
	fd, err := listen(false, unix.SOCK_STREAM, port, backlog)
	if err != nil {
		return pair{}, err
	}
	return pair{fd, newStepTo(action{end: clientFirst}, port, "raw")}, nil
}

// hold leaves one port of the client's side in TIME_WAIT. It plays both sides, without
// waiting: on loopback whatever one has sent, the other has.
func (p *pair) hold() error {
	client, _, errno := unix.RawSyscall(unix.SYS_SOCKET, p.to.family, p.to.kind|unix.SOCK_CLOEXEC, 0)
	if errno != 0 {
		return fmt.Errorf("making a socket: %w", errno)
	}
	errno = p.to.connect(client)
	if errno == 0 {
		var server uintptr
		server, _, errno = unix.Syscall6(unix.SYS_ACCEPT4, uintptr(p.listener), 0, 0, unix.SOCK_CLOEXEC, 0, 0)
		if errno == 0 {
			defer unix.RawSyscall(unix.SYS_CLOSE, server, 0, 0) // answers the client's FIN
		}
	}
	unix.RawSyscall(unix.SYS_CLOSE, client, 0, 0)
	if errno != 0 {
		return fmt.Errorf("connecting: %w", errno)
	}
	return nil
}
