//go:build linux

package main

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"porttrace/internal/check"
	"porttrace/internal/terminal"
)

const checkAbout = `porttrace check tells how full every pool of ephemeral ports is right now, and who
	fills it: by one look at the kernel's sockets, without BPF. As root it looks at all network
	namespaces, else at its own. It exits as monitoring plugins do: 0 all is well, 1 a pool is
	at --warn or more, 2 one is at --crit or more, 3 it could not tell, which a wrong
	command line is, too.`

// checked is how check ended, for the exit status.
type checked struct {
	level check.Level
	error // nil: all is said
}

func (c checked) Unwrap() error { return c.error }

func (c checked) Error() string {
	if c.error == nil {
		return c.level.String()
	}
	return c.error.Error()
}

func checkPools(e *env) error {
	level, err := runCheck(e)
	if err != nil && !errors.Is(err, errAnswered) {
		return checked{check.Unknown, err}
	}
	return checked{level, err}
}

// commandLine returns the flag set that fills c.
func (c *checkFlags) commandLine() *flagSet {
	flags := newFlagSet("check", checkAbout,
		example{"check", "is any pool of this host running full?"},
		example{"check --port 60568", "who is on this port right now"},
		example{"check --warn 50 --crit 80 --format json", "for a monitoring system: one object, and the exit status"},
		example{"check --watch 2s --netns 4711", "one container's pools as they fill, by the id of a process in it"})
	c.bind(flags)
	return flags
}

// runCheck returns the level of the last look; of one that was watched, none.
func runCheck(e *env) (check.Level, error) {
	var set checkFlags
	if err := set.commandLine().parse(e); err != nil {
		return 0, err
	}
	options, err := set.options()
	if err != nil {
		return 0, usageError{err}
	}
	c := &checker{env: e, options: options, json: set.format.String() == "json"}
	if set.watch == 0 {
		return c.look("")
	}
	if _, isTerminal := e.terminal(); isTerminal && !c.json {
		c.options.Most = poolsInPlace
	}
	return check.OK, e.interruptible(func(ctx context.Context, renew <-chan struct{}) error {
		return c.watch(ctx, renew, time.Duration(set.watch))
	})
}

// checker takes looks and shows them.
type checker struct {
	env     *env
	options check.Options
	json    bool
	noted   string // the last notices
}

// look takes one look and shows it, under a title if there is one.
func (c *checker) look(title string) (check.Level, error) {
	result, err := check.Look(c.options)
	if err != nil {
		return 0, err
	}
	c.notice(result)
	if c.json {
		return result.Level, result.WriteJSON(c.env.stdout)
	}
	_, isTerminal := c.env.terminal()
	var b strings.Builder // which takes everything
	if title != "" {
		fmt.Fprintln(&b, title)
	}
	if result.Port != nil {
		_ = terminal.WritePorts(&b, []terminal.PortAnswer{*result.Port})
	}
	_ = terminal.WritePools(&b, &result.Pools, isTerminal && c.env.getenv("NO_COLOR") == "")
	text := b.String()
	if title != "" && isTerminal {
		text = inPlace(text)
	}
	if _, err := c.env.stdout.Write([]byte(text)); err != nil {
		return 0, fmt.Errorf("writing to standard output: %w", err)
	}
	return result.Level, nil
}

// inPlace returns a screen that covers the one before without a blank moment.
func inPlace(text string) string {
	const home, restOfLine, restOfScreen = "\x1b[H", "\x1b[K", "\x1b[J"
	return home + strings.ReplaceAll(text, "\n", restOfLine+"\n") + restOfScreen
}

// notice says on standard error what a look left out, once.
func (c *checker) notice(r *check.Result) {
	var b strings.Builder
	if r.Barred > 0 || c.env.euid() != 0 && c.options.NetNS == 0 {
		fmt.Fprintln(&b, "porttrace: only this network namespace, and owners as far as they may be seen: run it with sudo for all")
	}
	for _, err := range r.Errors {
		fmt.Fprintf(&b, "porttrace: %s\n", oneLine(err.Error()))
	}
	if text := b.String(); text != c.noted {
		c.noted = text
		fmt.Fprint(c.env.stderr, text)
	}
}

// watch looks again and again until the context ends or a hang-up.
func (c *checker) watch(ctx context.Context, hangup <-chan struct{}, every time.Duration) error {
	ticker := time.NewTicker(every)
	defer ticker.Stop()
	for {
		title := fmt.Sprintf("%s, every %v", c.env.now().Format(time.DateTime), every)
		if _, err := c.look(title); err != nil {
			return err
		}
		select {
		case <-ctx.Done():
			return nil
		case <-hangup:
			return nil
		case <-ticker.C:
		}
	}
}
