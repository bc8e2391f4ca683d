//go:build linux

package main

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"porttrace/internal/check"
	"porttrace/internal/event"
	"porttrace/internal/flagvalue"
	"porttrace/internal/terminal"
)

const checkAbout = `porttrace check tells how full every pool of ephemeral ports is right now, and who
	fills it: by one look at the kernel's sockets, without BPF. As root it looks at all network
	namespaces, else at its own. It exits as monitoring plugins do: 0 all is well, 1 a pool is
	at --warn or more, 2 one is at --crit or more, 3 it could not tell, which a wrong
	command line is, too.`

// checkFlags is the command line of check.
type checkFlags struct {
	warn, crit flagvalue.Count
	port       flagvalue.Port
	netns      flagvalue.Netns
	protos     flagvalue.Protos
	v4, v6     bool
	format     flagvalue.Choice
	watch      flagvalue.Duration
}

func (c *checkFlags) bind(set *flagSet) {
	f := set.group("Flags")
	c.warn, c.crit = percentage("70"), percentage("90")
	f.Var(&c.warn, "warn", "percent of a pool in use from which it is a warning")
	f.Var(&c.crit, "crit", "percent of a pool in use from which it is critical")
	f.VarP(&c.port, "port", "p", "also what is on this local port right now, in every namespace")
	f.Var(&c.netns, "netns", "only this network namespace: a process id, a path, an inode number, or a name from ip netns")
	f.Var(&c.protos, "proto", "tcp, udp, or both with a comma (all unless given)")
	f.BoolVarP(&c.v4, "4", "4", false, "only pools of IPv4 addresses")
	f.BoolVarP(&c.v6, "6", "6", false, "only pools of IPv6 addresses")
	c.format = flagvalue.NewChoice("table", "json")
	f.Var(&c.format, "format", "a few lines for each pool that is not well, or one object with all pools")
	f.Var(&c.watch, "watch", "look again at this interval, in place on a terminal, until Ctrl-C: 2s")
}

func percentage(text string) flagvalue.Count {
	c := flagvalue.NewCount(100)
	_ = c.Set(text)
	return c
}

// Bounds of the table; in place it has 24 lines.
const (
	poolsShown   = 20
	poolsInPlace = 7
)

func (c *checkFlags) options() (check.Options, error) {
	o := check.Options{
		Thresholds: check.Thresholds{Warn: c.warn.Int(), Crit: c.crit.Int()},
		IPv4:       c.v4 || !c.v6,
		IPv6:       c.v6 || !c.v4,
		NetNS:      c.netns.Inode(),
		Port:       uint16(c.port),
	}
	for _, proto := range []event.Proto{event.TCP, event.UDP} {
		if c.protos.Empty() || c.protos.Contains(proto) {
			o.Protos = append(o.Protos, proto)
		}
	}
	if c.format.String() == "table" {
		o.Most = poolsShown
	}
	if o.Warn > o.Crit {
		return o, fmt.Errorf("--warn %d is above --crit %d: swap them", o.Warn, o.Crit)
	}
	return o, nil
}

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

// runCheck returns the level of the last look; of one that was watched, none.
func runCheck(e *env) (check.Level, error) {
	flags := newFlagSet("check", checkAbout,
		example{"check", "is any pool of this host running full?"},
		example{"check --port 60568", "who is on this port right now"},
		example{"check --warn 50 --crit 80 --format json", "for a monitoring system: one object, and the exit status"},
		example{"check --watch 2s --netns 4711", "one container's pools as they fill, by the id of a process in it"})
	var set checkFlags
	set.bind(flags)
	if err := flags.parse(e); err != nil {
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
	var b strings.Builder
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
