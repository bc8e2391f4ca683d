//go:build linux

package main

import (
	"fmt"
	"os"
	"strings"
	"syscall"
	"testing"

	"golang.org/x/sys/unix"

	"porttrace/internal/testutil"
)

// terminal makes the process the leader of a session on a new terminal, where all it
// writes goes, and returns the other end of it.
func (p *process) terminal() (master *os.File) {
	p.t.Helper()
	master, err := os.OpenFile("/dev/ptmx", os.O_RDWR|unix.O_NOCTTY, 0)
	testutil.Need(p.t, err == nil, "/dev/ptmx")
	p.t.Cleanup(func() { master.Close() })
	if err := unix.IoctlSetPointerInt(int(master.Fd()), unix.TIOCSPTLCK, 0); err != nil {
		p.t.Fatal(err)
	}
	number, err := unix.IoctlGetInt(int(master.Fd()), unix.TIOCGPTN)
	if err != nil {
		p.t.Fatal(err)
	}
	slave, err := os.OpenFile(fmt.Sprint("/dev/pts/", number), os.O_RDWR|unix.O_NOCTTY, 0)
	testutil.Need(p.t, err == nil, "/dev/pts")
	p.t.Cleanup(func() { slave.Close() })
	p.cmd.Stdin, p.cmd.Stdout = slave, slave
	p.cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true, Setctty: true, Ctty: 0}
	return master
}

// shown reads the terminal until it has shown something so often.
func (p *process) shown(master *os.File, times int, what string) (text string) {
	p.t.Helper()
	buf := make([]byte, 4096)
	p.until(what+" is shown", func() bool {
		n, _ := master.Read(buf)
		text += string(buf[:n])
		return strings.Count(text, what) >= times
	})
	return text
}

func TestColour(t *testing.T) {
	for env, want := range map[string]bool{"NO_COLOR=": true, "NO_COLOR=1": false} {
		t.Run(env, func(t *testing.T) {
			c := newClient(t, 40000, 40001)
			p := prepare(t, "-o", "none", c.netns())
			p.cmd.Env = append(p.cmd.Env, env)
			master := p.terminal()
			p.start().waitTracing()
			c.do("storm", 1)
			shown := p.shown(master, 1, "release")
			p.interrupt()
			if got := strings.Contains(shown, "\x1b["); got != want {
				t.Errorf("colour is %v, want %v: %q", got, want, shown)
			}
		})
	}
}

// A dropped ssh connection takes the terminal away and hangs up; the recording gets
// its end nevertheless.
func TestTerminalGone(t *testing.T) {
	c := newClient(t, 40000, 40100)
	p := prepare(t, "-o", "x.jsonl", c.netns())
	master := p.terminal()
	p.start().waitTracing()
	opened := c.do("open", 3)
	c.do("close")
	p.waitLines("x.jsonl", 3, `"type":"release"`)
	p.shown(master, 3, "release") // no row is on its way that would fail
	master.Close()
	<-p.exited
	c.wantLifetimes(whole(t, readFile(t, p.path("x.jsonl"))), opened)
}
