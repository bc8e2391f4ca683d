package check

import (
	"bufio"
	"fmt"
	"io"
	"os"
	"os/exec"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"porttrace/internal/terminal"
)

// clientsEnv makes the test binary a process with connections: how many, to how many
// addresses, at which port.
const clientsEnv = "PORTTRACE_TEST_CLIENTS"

func TestMain(m *testing.M) {
	if order := os.Getenv(clientsEnv); order != "" {
		if err := beClients(order); err != nil {
			fmt.Println(err)
			os.Exit(1)
		}
		fmt.Println("ok")
		_, _ = io.Copy(io.Discard, os.Stdin) // until the test ends
		os.Exit(0)
	}
	os.Exit(m.Run())
}

func beClients(order string) error {
	var many, addresses, port int
	if _, err := fmt.Sscan(order, &many, &addresses, &port); err != nil {
		return err
	}
	listener, err := unix.Socket(unix.AF_INET, unix.SOCK_STREAM, 0)
	if err != nil {
		return err
	}
	if err := unix.Bind(listener, &unix.SockaddrInet4{Port: port}); err != nil {
		return err
	}
	if err := unix.Listen(listener, 16); err != nil {
		return err
	}
	for i := range many {
		if err := beClient(listener, port, i%addresses); err != nil {
			return fmt.Errorf("connection %d: %w", i, err)
		}
	}
	return nil
}

// beClient makes a connection and keeps both ends.
func beClient(listener, port, address int) error {
	near, err := unix.Socket(unix.AF_INET, unix.SOCK_STREAM, 0)
	if err != nil {
		return err
	}
	to := &unix.SockaddrInet4{Port: port, Addr: [4]byte{127, 1, byte(address >> 8), byte(address)}}
	if err := unix.Connect(near, to); err != nil {
		return err
	}
	_, _, err = unix.Accept(listener)
	return err
}

// clients starts a process with connections that lives until the test ends, and returns its
// id.
func (l *lab) clients(many, addresses, port int) (pid int) {
	l.t.Helper()
	cmd := exec.Command("/proc/self/exe")
	cmd.Env = append(os.Environ(), clientsEnv+"="+fmt.Sprint(many, addresses, port))
	in, err := cmd.StdinPipe()
	l.must(err)
	out, err := cmd.StdoutPipe()
	l.must(err)
	l.ns.Do(func() { err = cmd.Start() })
	l.must(err)
	l.t.Cleanup(func() {
		in.Close()
		_ = cmd.Wait()
	})
	if answer, _ := bufio.NewReader(out).ReadString('\n'); strings.TrimSpace(answer) != "ok" {
		l.t.Fatalf("the clients say %q", answer)
	}
	return cmd.Process.Pid
}

// BenchmarkLook is a look at 30,000 sockets in three processes, both ends of connections,
// from the first question to the text: it is to take less than 200 ms. Few are the pools of
// a busy client, many those of a crawler.
func BenchmarkLook(b *testing.B) {
	const processes, connections = 3, 5000
	for name, addresses := range map[string]int{"few": 1, "many": connections} {
		b.Run(name, func(b *testing.B) {
			l := newLab(b, "1024 65535")
			for i := range processes {
				l.clients(connections, addresses, 101+i)
			}
			for _, format := range []string{"table", "json"} {
				b.Run(format, func(b *testing.B) {
					(&lab{b, l.ns}).benchmarkLook(format == "json", processes*connections)
				})
			}
		})
	}
}

func (l *lab) benchmarkLook(json bool, want int) {
	b := l.t.(*testing.B)
	options := l.options()
	options.Thresholds = Thresholds{Warn: 1, Crit: 100}
	if !json {
		options.Most = 20
	}
	best, began := time.Hour, cpuTime()
	for b.Loop() {
		r, err := Look(options)
		l.must(err)
		if json {
			l.must(r.WriteJSON(io.Discard))
		} else {
			l.must(terminal.WritePools(io.Discard, &r.Pools, false))
		}
		best, began = min(best, cpuTime()-began), cpuTime()
	}
	b.ReportMetric(best.Seconds()*1e3, "cpu-ms-best")
	b.StopTimer()
	options.Most = 0
	r, err := Look(options)
	l.must(err)
	got := 0
	for _, p := range r.Pools.Pools {
		got += p.InUse
	}
	if got != want {
		b.Errorf("it saw %d ports in use, want %d", got, want)
	}
}

// cpuTime is what this process has used: on a machine that others use, too, it tells more
// than a clock.
func cpuTime() time.Duration {
	var used unix.Rusage
	_ = unix.Getrusage(unix.RUSAGE_SELF, &used)
	return time.Duration(used.Utime.Nano() + used.Stime.Nano())
}
