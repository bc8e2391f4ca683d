package chaos

import (
	"math/rand/v2"
)

// weighted is something to pick at random.
type weighted interface{ weight() int }

func pick[T weighted](rng *rand.Rand, from []T) T {
	total := 0
	for _, one := range from {
		total += one.weight()
	}
	n := rng.IntN(total)
	for _, one := range from {
		if n -= one.weight(); n < 0 {
			return one
		}
	}
	panic("weights do not add up")
}

// operation is one thing a worker can do.
type operation struct {
	name  string
	often int
	do    func(*worker)
	// wild operations make sockets that a tracer which starts later takes for something
	// else or does not find: with a listener's or an accepted socket's past, or only
	// bound and in flight.
	wild bool
}

func (o operation) weight() int { return o.often }

var operations = []operation{
	{"connect", 200, (*worker).opConnect, false},
	{"refused", 20, (*worker).opRefused, false},
	{"void", 10, (*worker).opVoid, false},
	{"unroutable", 10, (*worker).opUnroutable, false},
	{"bind", 25, (*worker).opBind, false},
	{"bound-on", 25, (*worker).opBoundOn, false},
	{"again", 25, (*worker).opAgain, false},
	{"listen", 15, (*worker).opListen, false},
	{"visit", 20, (*worker).opVisit, false},
	{"self", 8, (*worker).opSelf, false},
	{"disconnect", 25, (*worker).opDisconnect, true},

	{"close", 60, (*worker).opClose, false},
	{"close-both", 50, (*worker).opCloseBoth, false},
	{"reset", 25, (*worker).opReset, false},
	{"unread", 15, (*worker).opUnread, false},
	{"shutdown", 30, (*worker).opShutdown, false},
	{"write", 40, (*worker).opWrite, false},
	{"read", 20, (*worker).opRead, false},
	{"half", 25, (*worker).opHalf, false},
	{"cross", 10, (*worker).opCross, false},
	{"deafen", 8, (*worker).opDeafen, false},
	{"hear", 12, (*worker).opHear, false},

	{"udp-send", 30, (*worker).opUDPSend, false},
	{"udp-bind", 20, (*worker).opUDPBind, false},
	{"udp-connect", 30, (*worker).opUDPConnect, false},
	{"udp-again", 20, (*worker).opUDPAgain, false},
	{"udp-disconnect", 20, (*worker).opUDPDisconnect, false},
	{"udp-write", 15, (*worker).opUDPWrite, false},

	{"dup", 15, (*worker).opDup, false},
	{"pass", 15, (*worker).opPass, true},
	{"receive", 12, (*worker).opReceive, false},
	{"stash", 10, (*worker).opStash, true},
	{"unstash", 8, (*worker).opUnstash, false},
	{"garbage", 4, (*worker).opGarbage, true},
	{"fork", 4, (*worker).opFork, false},
	{"end-fork", 3, (*worker).opEndFork, false},
}
