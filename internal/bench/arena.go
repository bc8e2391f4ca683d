package main

import (
	"encoding/json"
	"fmt"
	"io"
	"os"
	"strconv"
	"time"

	"golang.org/x/sys/unix"
)

const (
	backlog  = 65535
	patience = 30 * time.Second // for anything that takes well under a second
)

// sysctls of the arena. The rest stays as a new namespace has it, tcp_tw_reuse too (2:
// on loopback, after a second), since taking ports over from TIME_WAIT is everyday work
// for a tracer.
var sysctls = map[string]string{
	"net/ipv4/ip_local_port_range": "1024 65535",
	"net/ipv4/tcp_max_tw_buckets":  "1048576", // no TIME_WAIT is cut short
	"net/core/somaxconn":           strconv.Itoa(backlog),
	"net/ipv4/tcp_max_syn_backlog": strconv.Itoa(backlog),
}

// ground is what the arena tells when it is ready.
type ground struct {
	NetNS   uint64 // inode
	Clients []int  // process ids
}

// outcome is what the arena tells after the storm.
type outcome struct {
	tally
	Overflows uint64        // SYNs dropped since the server was too slow: each cost a second
	CPU       time.Duration // of clients and server
	Busy      time.Duration // of the host's CPUs, whoever used them
	ground
}

func (o outcome) made() (n uint64) {
	for _, m := range o.Made {
		n += m
	}
	return n
}

func (o outcome) rate() float64 { return float64(o.made()) / o.Elapsed.Seconds() }

// runArena is the first process of a new network namespace. It prepares it, starts the
// server and the clients, lets them loose at the first byte of its input, and keeps the
// namespace until the input ends.
func runArena(o options, stdin io.Reader, stdout io.Writer) error {
	g, server, clients, err := openArena(o)
	if err != nil {
		return err
	}
	out := json.NewEncoder(stdout)
	if err := out.Encode(g); err != nil {
		return fmt.Errorf("telling that the arena is ready: %w", err)
	}
	if !started(stdin) {
		return nil
	}
	var result any
	if o.known > 0 {
		result, err = clients[0].visited()
	} else {
		result, err = fought(g, server, clients)
	}
	if err != nil {
		return err
	}
	if err := out.Encode(result); err != nil {
		return fmt.Errorf("telling the result: %w", err)
	}
	_, err = io.Copy(io.Discard, stdin)
	return err
}

func openArena(o options) (g ground, server *player, clients []*player, err error) {
	if err := prepareNamespace(); err != nil {
		return g, nil, nil, err
	}
	var st unix.Stat_t
	if err := unix.Stat("/proc/self/ns/net", &st); err != nil {
		return g, nil, nil, fmt.Errorf("looking at the network namespace: %w", err)
	}
	g.NetNS = st.Ino
	if server, err = startPlayer(o, "server"); err != nil {
		return g, nil, nil, err
	}
	role := "client"
	if o.known > 0 {
		role = "visitor"
	}
	for range o.clients[0] {
		c, err := startPlayer(o, role)
		if err != nil {
			return g, nil, nil, err
		}
		clients = append(clients, c)
		g.Clients = append(g.Clients, c.pid)
	}
	return g, server, clients, nil
}

// prepareNamespace is for the first process of a new one.
func prepareNamespace() error {
	if err := raiseLoopback(); err != nil {
		return err
	}
	for name, value := range sysctls {
		if err := os.WriteFile("/proc/sys/"+name, []byte(value), 0); err != nil {
			return fmt.Errorf("preparing the network namespace: %w", err)
		}
	}
	return nil
}

func raiseLoopback() error {
	fail := func(err error) error { return fmt.Errorf("raising the loopback device: %w", err) }
	fd, err := unix.Socket(unix.AF_INET, unix.SOCK_DGRAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return fail(err)
	}
	defer unix.Close(fd)
	lo, err := unix.NewIfreq("lo")
	if err != nil {
		return fail(err)
	}
	lo.SetUint16(unix.IFF_UP)
	if err := unix.IoctlIfreq(fd, unix.SIOCSIFFLAGS, lo); err != nil {
		return fail(err)
	}
	return nil
}

func fought(g ground, server *player, clients []*player) (outcome, error) {
	result := outcome{ground: g, tally: tally{Made: map[string]uint64{}, Failed: map[string]uint64{}}}
	busy, used := hostBusy(), cpuOf(server, clients)
	for _, c := range clients {
		if _, err := c.stdin.Write([]byte{'\n'}); err != nil {
			return result, fmt.Errorf("starting a client: %w", err)
		}
	}
	for _, c := range clients {
		line, err := c.line()
		if err != nil {
			return result, err
		}
		var t tally
		if err := json.Unmarshal([]byte(line), &t); err != nil {
			return result, fmt.Errorf("reading a client's result: %w", err)
		}
		result.add(t)
	}
	result.Busy, result.CPU = hostBusy()-busy, cpuOf(server, clients)-used
	fmt.Fprintln(server.stdin, result.TCP)
	if _, err := server.line(); err != nil {
		return result, err
	}
	text, err := os.ReadFile("/proc/net/netstat")
	if err != nil {
		return result, fmt.Errorf("reading the namespace's counters: %w", err)
	}
	result.Overflows = netstat(string(text), "ListenOverflows")
	return result, nil
}

// visited passes on what the visitor knows.
func (p *player) visited() (uses json.RawMessage, err error) {
	return uses, p.ask(&uses)
}

func cpuOf(server *player, clients []*player) time.Duration {
	sum := cpuTime(server.pid)
	for _, c := range clients {
		sum += cpuTime(c.pid)
	}
	return sum
}

func (t *tally) add(other tally) {
	for path, n := range other.Made {
		t.Made[path] += n
	}
	for errno, n := range other.Failed {
		t.Failed[errno] += n
	}
	t.TCP += other.TCP
	t.Elapsed = max(t.Elapsed, other.Elapsed)
}
