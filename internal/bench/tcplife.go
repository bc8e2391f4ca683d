package main

import (
	"bufio"
	"fmt"
	"io"
	"os"
	"os/exec"
	"slices"
	"strconv"
	"strings"
)

func findTCPLife() (string, bool) {
	for _, name := range []string{"tcplife", "/usr/sbin/tcplife"} {
		if path, err := exec.LookPath(name); err == nil {
			return path, true
		}
	}
	return "", false
}

// tcplife of libbpf-tools writes to a file, as porttrace does. It says neither when it
// is ready nor does it read on after SIGINT, so both are told by its falling silent:
// its losses are to be those of the storm, not of the way it was stopped.
func tcplife(path string) contender {
	return contender{
		name: "tcplife",
		command: func(output string) *exec.Cmd {
			cmd := withTracefs(path)
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
		account: func(output *os.File, said []string, storm outcome) (account, error) {
			a := account{expected: storm.TCP}
			for _, line := range said {
				a.lost += lostLine(line)
			}
			bytes, lines, err := countLifetimes(output, storm.Clients)
			if err != nil {
				return a, fmt.Errorf("reading tcplife's output: %w", err)
			}
			a.recorded = lines
			if lines > 0 {
				a.perRecord = bytes / lines
			}
			return a, nil
		},
	}
}

// lostLine reads tcplife's "lost 12 events on CPU #1".
func lostLine(line string) (n uint64) {
	var cpu int
	fmt.Sscanf(line, "lost %d events on CPU #%d", &n, &cpu) // n stays 0 for any other line
	return n
}

// countLifetimes counts the client ends of the storm's connections and their bytes,
// told by process and remote port. Server ends go to the account of whoever ran when
// the RST came in, so the process is not enough.
func countLifetimes(output io.Reader, clients []int) (bytes, lines uint64, err error) {
	scan := bufio.NewScanner(output)
	for scan.Scan() {
		// PID COMM LADDR LPORT RADDR RPORT TX_KB RX_KB MS; names with spaces move all
		// but the first.
		f := strings.Fields(scan.Text())
		if len(f) < 9 {
			continue
		}
		pid, err := strconv.Atoi(f[0])
		if err != nil || !slices.Contains(clients, pid) {
			continue
		}
		port, err := strconv.Atoi(f[len(f)-4])
		if err == nil && port >= firstPort && port < udpPort {
			lines++
			bytes += uint64(len(scan.Bytes())) + 1
		}
	}
	return bytes, lines, scan.Err()
}
