// Package check tells how full every pool of ephemeral ports is at this moment, from what
// NETLINK_SOCK_DIAG and /proc say. It needs no BPF, and no privilege for the reader's own
// network namespace; others, and the owners of other users' sockets, need root.
package check

import (
	"errors"
	"fmt"
	"time"

	"golang.org/x/sys/unix"

	"porttrace/internal/event"
	"porttrace/internal/netns"
	"porttrace/internal/pool"
	"porttrace/internal/terminal"
)

// Options say what to look at.
type Options struct {
	Thresholds
	Protos     []event.Proto
	IPv4, IPv6 bool   // pools of which family are told
	NetNS      uint32 // inode; 0: all that can be entered
	Port       uint16 // to be told of; 0: none
	// Most is how many of the pools that are not ok are told, the fullest first; where all
	// are ok, the fullest is, without owners. 0: every pool there is.
	Most int
}

// Result is what was seen.
type Result struct {
	Time   time.Time
	Home   uint32 // the namespace asked for, else our own
	Level  Level
	Pools  terminal.PoolsAnswer
	Port   *terminal.PortAnswer // nil: not asked for
	Barred int                  // namespaces that may not be entered
	Errors []error              // what else could not be looked at
}

// Look takes one look. Its error is that nothing could be seen.
func Look(o Options) (*Result, error) {
	home, namespaces, err := reachable(o.NetNS)
	if err != nil {
		return nil, err
	}
	l := look{Options: o, ranges: pool.NewRanges(), result: Result{Time: time.Now(), Home: home.Inode}}
	for _, ns := range namespaces {
		l.enter(ns)
	}
	if len(l.seen) == 0 {
		return nil, l.nothing()
	}
	if err := l.tell(); err != nil {
		return nil, err
	}
	return &l.result, nil
}

// reachable returns the namespaces to look at, and which of them is meant where one is.
func reachable(only uint32) (home netns.NS, all []netns.NS, err error) {
	if home, err = netns.Self(); err != nil {
		return home, nil, err
	}
	if only != 0 && only != home.Inode {
		found := false
		if home, found = netns.Find(only, 0); !found {
			return home, nil, fmt.Errorf("looking at network namespace %d: no process or name that may be looked into leads there (lsns -t net lists them; most need root)", only)
		}
	}
	if only != 0 {
		return home, []netns.NS{home}, nil
	}
	all, err = netns.List()
	return home, all, err
}

// look is a look being taken.
type look struct {
	Options
	ranges  *pool.Ranges
	seen    []*pool.Range // of the namespaces seen
	sockets sockets
	states  portStates // for describe
	result  Result
}

// enter takes in what a namespace has. One that goes meanwhile has nothing.
func (l *look) enter(ns netns.NS) {
	rng, err := l.ranges.Add(ns)
	if err == nil {
		var seen sockets
		err = ns.Do(func() (err error) {
			seen, err = sockets(nil).dump(ns.Inode, l.Protos...)
			return err
		})
		if err == nil {
			l.seen = append(l.seen, rng)
			l.sockets = append(l.sockets, seen...)
			return
		}
	}
	switch {
	case errors.Is(err, netns.ErrGone):
	case errors.Is(err, unix.EPERM): // setns wants CAP_SYS_ADMIN
		l.result.Barred++
	default:
		l.result.Errors = append(l.result.Errors, fmt.Errorf("network namespace %d: %w", ns.Inode, err))
	}
}

func (l *look) nothing() error {
	switch {
	case len(l.result.Errors) > 0:
		return errors.Join(l.result.Errors...)
	case l.result.Barred > 0:
		return errors.New("entering the network namespace needs root: run it with sudo")
	}
	return errors.New("the network namespace is gone")
}
