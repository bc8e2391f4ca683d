//go:build linux

package completion_test

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"strings"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"porttrace/internal/testutil/need"
)

// shell is a real, interactive one on a terminal of its own.
type shell struct {
	t       *testing.T
	process *exec.Cmd
	master  *os.File
	read    string // not yet looked at
	marks   int
}

// start runs a shell, which is to be told what the keys below mean.
func start(t *testing.T, dir string, args ...string) *shell {
	t.Helper()
	_, err := exec.LookPath(args[0])
	need.That(t, err == nil, fmt.Sprintf("%s (Debian package %[1]s)", args[0]))
	master, slave := terminal(t)
	cmd := exec.Command(args[0], args[1:]...)
	cmd.Dir, cmd.Stdin, cmd.Stdout, cmd.Stderr = dir, slave, slave, slave
	cmd.Env = []string{"PATH=" + os.Getenv("PATH"), "HOME=" + dir, "TERM=dumb", "LC_ALL=C.UTF-8", "PS1=" + prompt, "HISTFILE="}
	cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true, Setctty: true}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	s := &shell{t: t, master: master, process: cmd}
	t.Cleanup(s.end)
	return s
}

// end ends the shell, if it has not.
func (s *shell) end() {
	if s.process.ProcessState == nil {
		_ = s.process.Process.Kill()
		_ = s.process.Wait()
		s.master.Close()
	}
}

func terminal(t *testing.T) (master, slave *os.File) {
	t.Helper()
	master, err := os.OpenFile("/dev/ptmx", os.O_RDWR|unix.O_NOCTTY|unix.O_NONBLOCK, 0)
	need.That(t, err == nil, "/dev/ptmx")
	t.Cleanup(func() { master.Close() })
	raw, err := master.SyscallConn() // Fd would take away the deadlines
	if err != nil {
		t.Fatal(err)
	}
	var number int
	set := raw.Control(func(fd uintptr) {
		// Wide enough that no line is broken.
		err = errors.Join(
			unix.IoctlSetPointerInt(int(fd), unix.TIOCSPTLCK, 0),
			unix.IoctlSetWinsize(int(fd), unix.TIOCSWINSZ, &unix.Winsize{Row: 500, Col: 500}))
		if err == nil {
			number, err = unix.IoctlGetInt(int(fd), unix.TIOCGPTN)
		}
	})
	if err := errors.Join(set, err); err != nil {
		t.Fatal(err)
	}
	slave, err = os.OpenFile(fmt.Sprint("/dev/pts/", number), os.O_RDWR|unix.O_NOCTTY, 0)
	need.That(t, err == nil, "/dev/pts")
	t.Cleanup(func() { slave.Close() })
	return master, slave
}

// run types a command and waits until the shell wants the next one.
func (s *shell) run(command string) {
	s.t.Helper()
	s.marks++
	mark := fmt.Sprintf("RAN%d", s.marks)
	// What is typed has quotes where what is echoed has none.
	s.typed(command + "; echo R''" + mark[1:] + "\n")
	s.until(mark)
	s.until(prompt) // before it, the terminal and not the shell edits the line
}

func (s *shell) typed(keys string) {
	s.t.Helper()
	if _, err := s.master.WriteString(keys); err != nil {
		s.t.Fatal(err)
	}
}

func (s *shell) until(mark string) string {
	s.t.Helper()
	buf := make([]byte, 64<<10)
	if err := s.master.SetReadDeadline(time.Now().Add(time.Minute)); err != nil {
		s.t.Fatal(err)
	}
	for {
		if before, after, ok := strings.Cut(s.read, mark); ok {
			s.read = after
			return before
		}
		n, err := s.master.Read(buf)
		s.read += string(buf[:n])
		if err != nil {
			s.t.Fatalf("the shell has not shown %q: %v; it shows %q", mark, err, s.read)
		}
	}
}

// What is typed, and what these keys are bound to.
const (
	prompt  = "@> "
	list    = "\t"   // list what is possible
	listed  = "\x07" // print DONE
	discard = "\x15" // kill the line
)

// words returns what the shell offers at the end of a line.
func (s *shell) words(line string) []string {
	s.t.Helper()
	s.typed(line + list + listed)
	text := s.until("DONE")
	s.typed(discard)
	s.run(":")
	_, text, found := strings.Cut(text, line)
	if !found {
		s.t.Fatalf("%q is not shown: %q", line, text)
	}
	_, text, _ = strings.Cut(text, "\n")
	text, _, _ = strings.Cut(text, prompt) // it comes again below the list
	return strings.Fields(text)
}
