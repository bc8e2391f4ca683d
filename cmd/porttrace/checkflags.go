//go:build linux

package main

import (
	"fmt"

	"porttrace/internal/check"
	"porttrace/internal/event"
	"porttrace/internal/flagvalue"
)

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
