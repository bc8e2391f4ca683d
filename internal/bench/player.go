package main

import (
	"bufio"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"os/exec"
	"strings"
	"syscall"
)

// player is one process of this program in another role.
type player struct {
	pid    int
	role   string
	stdin  io.WriteCloser
	stdout *bufio.Reader
	cmd    *exec.Cmd
}

// startPlayer returns when the process has said that it is ready.
func startPlayer(o options, role string) (*player, error) {
	p, err := startSelf(o, role, 0)
	if err != nil {
		return nil, err
	}
	_, err = p.line()
	return p, err
}

func startSelf(o options, role string, cloneFlags uintptr) (*player, error) {
	fail := func(err error) (*player, error) { return nil, fmt.Errorf("starting the %s: %w", role, err) }
	cmd := exec.Command("/proc/self/exe", "-role", role, "-seconds", fmt.Sprint(o.seconds),
		"-clients", o.clients.String(), "-orderly", fmt.Sprint(o.orderly), "-mix", o.mix, "-dial", o.dial,
		"-holds", fmt.Sprint(o.holds), "-known", fmt.Sprint(o.known))
	cmd.Stderr = os.Stderr
	// A group of its own: Ctrl-C reaches the bench, which ends the storm itself.
	cmd.SysProcAttr = &syscall.SysProcAttr{Cloneflags: cloneFlags, Pdeathsig: syscall.SIGKILL, Setpgid: true}
	stdin, err := cmd.StdinPipe()
	if err != nil {
		return fail(err)
	}
	stdout, err := cmd.StdoutPipe()
	if err != nil {
		return fail(err)
	}
	if err := cmd.Start(); err != nil {
		return fail(err)
	}
	return &player{cmd.Process.Pid, role, stdin, bufio.NewReader(stdout), cmd}, nil
}

func (p *player) line() (string, error) {
	line, err := p.stdout.ReadString('\n')
	if err != nil {
		return "", fmt.Errorf("the %s ended early: %w", p.role, err)
	}
	return strings.TrimSuffix(line, "\n"), nil
}

// ask sends the word and waits for the answer.
func (p *player) ask(what any) error {
	if _, err := io.WriteString(p.stdin, "\n"); err != nil {
		return fmt.Errorf("asking the %s: %w", p.role, err)
	}
	return p.told(what)
}

func (p *player) told(what any) error {
	line, err := p.line()
	if err != nil {
		return err
	}
	if err := json.Unmarshal([]byte(line), what); err != nil {
		return fmt.Errorf("understanding the %s: %w", p.role, err)
	}
	return nil
}

// started waits for the word to start. An input that ends instead calls it off.
func started(stdin io.Reader) bool {
	_, err := io.ReadFull(stdin, make([]byte, 1))
	return err == nil
}

// arena is the bench's end of a network namespace with a storm in it.
type arena struct {
	*player
	ground
	release func() bool
}

// enter makes a namespace of its own for one storm: what one leaves behind in
// TIME_WAIT would slow down the next. It returns when server and clients stand ready.
func enter(ctx context.Context, o options, clients int) (*arena, error) {
	o.clients = counts{clients}
	p, err := startSelf(o, "arena", syscall.CLONE_NEWNET)
	if err != nil {
		return nil, err
	}
	a := &arena{player: p}
	a.release = context.AfterFunc(ctx, func() { p.cmd.Process.Kill() })
	if err := a.told(&a.ground); err != nil {
		a.leave()
		return nil, err
	}
	return a, nil
}

// storm lets the clients loose and waits until the server is through with the last one.
func (a *arena) storm() (outcome, error) {
	var result outcome
	err := a.ask(&result)
	return result, err
}

// leave ends the processes of the arena, and the namespace with them.
func (a *arena) leave() {
	a.release()
	a.stdin.Close()
	a.cmd.Wait() // its exit status says nothing that told has not said
}
