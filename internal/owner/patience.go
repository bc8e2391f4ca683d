package owner

import (
	"sync/atomic"
	"time"

	"porttrace/internal/event"
	"porttrace/internal/lifetime"
)

// Whoever reads a process's command line reads its memory, which a file system of that
// process's own can make wait for ever (FUSE, mapped over the arguments). So it is read by a
// goroutine that nobody waits for longer than patience, and where so many of them hang,
// by none.
const (
	patience    = 250 * time.Millisecond
	mostHanging = 16
)

// Reading a process costs some 50 µs, and a program that gives its threads ever new names, or
// starts ever new processes, must not keep the tracer from its work: it spends no more than
// such a part of the time on it, and at once no more than credit.
const (
	share  = 4
	credit = 100 * time.Millisecond
)

// allowance is the time that may be spent.
type allowance struct {
	left time.Duration
	last time.Time
}

func (a *allowance) isSpent(now time.Time) bool {
	if a.last.IsZero() {
		a.left = credit
	} else {
		a.left = min(a.left+now.Sub(a.last)/share, credit)
	}
	a.last = now
	return a.left <= 0
}

// sight is what was read of a process.
type sight struct {
	program lifetime.Program
	cgroup  string // "" unknown, or not asked for
}

// onlooker reads what processes do not tell by themselves.
type onlooker struct {
	hanging   atomic.Int32
	allowance allowance
}

// look reads of an owner's process, if it still is the one that had the port; else all is
// unknown. It is not ok where there was no time to look, or to wait for the answer.
func (l *onlooker) look(o event.Owner, withCgroup bool) (s sight, ok bool) {
	began := time.Now()
	if l.hanging.Load() >= mostHanging || l.allowance.isSpent(began) {
		return sight{}, false
	}
	defer func() { l.allowance.left -= time.Since(began) }()
	p, err := openProcess(o.PID)
	if err != nil {
		return sight{}, true
	}
	if !p.is(o) {
		p.close()
		return sight{}, true
	}
	return l.read(p, withCgroup)
}

// read closes p.
func (l *onlooker) read(p process, withCgroup bool) (s sight, ok bool) {
	l.hanging.Add(1)
	seen := make(chan sight, 1)
	go func() {
		defer l.hanging.Add(-1)
		defer p.close()
		var s sight
		if withCgroup {
			s.cgroup = p.cgroup()
		}
		s.program = p.program()
		seen <- s
	}()
	late := time.NewTimer(patience)
	defer late.Stop()
	select {
	case s := <-seen:
		return s, true
	case <-late.C:
		return sight{}, false
	}
}
