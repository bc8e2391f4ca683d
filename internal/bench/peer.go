package main

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"regexp"
	"strconv"
	"strings"
	"time"
)

// peer is a tracer of Debian's libbpf-tools. All of them write a line for each thing they
// saw to standard output and, on standard error, how much they lost.
type peer struct {
	name string
	args []string
	// reader returns what makes a sighting of a line; ok is false for other lines. Lines
	// come in their order.
	reader func() func(line) (s sighting, ok bool)
}

// peers all see TCP only, and of that connections only. They take a connection's close
// for the end of its port.
var peers = []peer{
	{"tcplife", nil, func() func(line) (sighting, bool) { return lifeLine }},
	{"tcptracer", []string{"-t"}, tracerLines},
	{"tcpconnect", []string{"-s"}, func() func(line) (sighting, bool) { return connectLine }},
}

func (p peer) find() (path string, ok bool) {
	for _, name := range []string{p.name, "/usr/sbin/" + p.name} {
		if path, err := exec.LookPath(name); err == nil {
			return path, true
		}
	}
	return "", false
}

// contender says how to run it: with its output in a file, as porttrace's is. It says
// neither when it is ready nor does it read on after SIGINT, so both are told by its
// falling silent: its losses are to be those of the storm, not of the way it was stopped.
func (p peer) contender(path string) contender {
	c := contender{
		name: p.name,
		command: func(output string) *exec.Cmd {
			cmd := withTracefs(path, p.args...)
			if file, err := os.Create(output); err == nil { // else read finds nothing
				cmd.Stdout = file
			}
			return cmd
		},
		ready: func(t *tracer) error {
			calm := quiet(t.cmd.Process.Pid)
			return t.await("ready", func() bool { return polls(t.cmd.Process.Pid) && calm() })
		},
		idle: func(t *tracer) error {
			return t.await("quiet", quiet(t.cmd.Process.Pid))
		},
		sightings: func(output io.Reader, _ ground, tell seen) error {
			return p.read(output, tell)
		},
	}
	c.account = func(output *os.File, said []string, storm outcome) (account, error) {
		var n sightings
		if err := p.read(output, n.of(storm.Clients)); err != nil {
			return account{}, err
		}
		a := account{lost: lost(said), recorded: n.begun, expected: storm.TCP}
		if n.begun > 0 {
			a.perRecord = n.bytes / n.begun
		}
		return a, nil
	}
	return c
}

// read finds the client ends of connections to the arena's server, which no other
// process of the host would talk to. Server ends go to the account of whoever ran when
// the RST came in, so the process alone does not tell.
func (p peer) read(output io.Reader, tell seen) error {
	understand := p.reader()
	scan := bufio.NewScanner(output)
	for scan.Scan() {
		l := line(strings.Fields(scan.Text()))
		if s, ok := understand(l); ok && s.port > lastPort {
			tell(s, len(scan.Bytes())+1)
		}
	}
	if err := scan.Err(); err != nil {
		return fmt.Errorf("reading %s's output: %w", p.name, err)
	}
	return nil
}

// line is the columns of a line. A process name with spaces moves all that follow it:
// these are counted from the end.
type line []string

// connection reads the process, in column pid, and the ends, in these columns from the
// end. ok is false if they are no client's of the arena's server.
func (l line) connection(pid, from, port, toPort int) (s sighting, ok bool) {
	if len(l) < from+pid+2 {
		return s, false
	}
	var to int
	var errs [3]error
	s.pid, errs[0] = strconv.Atoi(l[pid])
	s.port, errs[1] = strconv.Atoi(l[len(l)-port])
	to, errs[2] = strconv.Atoi(l[len(l)-toPort])
	s.v6 = strings.Contains(l[len(l)-from], ":")
	s.held = unknown
	return s, errors.Join(errs[:]...) == nil && to >= firstPort && to <= lastPort
}

// lifeLine reads PID COMM LADDR LPORT RADDR RPORT TX_KB RX_KB MS.
func lifeLine(l line) (sighting, bool) {
	s, ok := l.connection(0, 7, 6, 4)
	if !ok {
		return s, false
	}
	ms, err := strconv.ParseFloat(l[len(l)-1], 64)
	s.begins, s.ends, s.held = true, true, time.Duration(ms*float64(time.Millisecond))
	return s, err == nil
}

// connectLine reads PID COMM IP SADDR DADDR SPORT DPORT.
func connectLine(l line) (sighting, bool) {
	s, ok := l.connection(0, 4, 2, 1)
	s.begins = true
	return s, ok
}

// tracerLines reads TIME(s) T PID COMM IP SADDR DADDR SPORT DPORT, where T is C for a
// connection made, A for one accepted and X for one closed, and TIME since the first.
func tracerLines() func(line) (sighting, bool) {
	began := map[end]time.Duration{}
	return func(l line) (sighting, bool) {
		s, ok := l.connection(2, 4, 2, 1)
		if !ok {
			return s, false
		}
		seconds, err := strconv.ParseFloat(l[0], 64)
		at, e := time.Duration(seconds*float64(time.Second)), end{s.v6, s.port}
		switch l[1] {
		case "C":
			s.begins = true
			began[e] = at
		case "X":
			s.ends = true
			if since, ok := began[e]; ok {
				s.held = at - since
			}
			delete(began, e)
		}
		return s, err == nil && (s.begins || s.ends)
	}
}

// lost sums up "lost 12 events on CPU #1" and "Lost 12 events on CPU #1!".
func lost(said []string) (sum uint64) {
	for _, text := range said {
		if m := lostEvents.FindStringSubmatch(text); m != nil {
			n, _ := strconv.ParseUint(m[1], 10, 64) // a number by its pattern
			sum += n
		}
	}
	return sum
}

var lostEvents = regexp.MustCompile(`^[Ll]ost (\d+) events on CPU`)
