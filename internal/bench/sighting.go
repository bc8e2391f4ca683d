package main

import (
	"slices"
	"time"
)

// sighting is what a tracer tells of one use of a port by the arena's processes: that it
// began, that it ended, or both at once.
type sighting struct {
	pid          int
	udp, v6      bool
	port         int // local
	begins, ends bool
	held         time.Duration // of one that ends; unknown if its beginning was not told
}

// unknown is the time that a tracer did not tell.
const unknown time.Duration = -1

// seen is told the sightings in a tracer's output, each with the size of its line.
type seen func(s sighting, bytes int)

// sightings counts them.
type sightings struct {
	begun uint64
	bytes uint64 // of all lines
}

// of leaves out other processes than these.
func (n *sightings) of(pids []int) seen {
	return func(s sighting, bytes int) {
		if !slices.Contains(pids, s.pid) {
			return
		}
		n.bytes += uint64(bytes)
		if s.begins {
			n.begun++
		}
	}
}

// end is the local end of a connection.
type end struct {
	v6   bool
	port int
}
