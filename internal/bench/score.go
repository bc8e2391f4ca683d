package main

import "time"

// score is what a tracer told of known uses, by way.
type score struct {
	name         string
	own          bool
	stable       bool      // with porttrace's stable set of hooks
	begun, ended []int     // told, of those that were
	wrong        int       // told otherwise: not there, once too often, or of another process
	off          []float64 // seconds that told ends of TIME_WAIT lie from the true ones
}

// kept identifies a hold. Uses follow each other, so two with the same port and way are
// told apart by their order.
type kept struct {
	udp, v6 bool
	port    int
}

func (u use) kept() kept { return kept{ways[u.Way].udp, u.V6, u.Port} }

// mark compares what was told with what was done, by this process.
func mark(uses []use, told []sighting, pid int) score {
	s := score{begun: make([]int, len(ways)), ended: make([]int, len(ways))}
	toBegin, toEnd := map[kept][]use{}, map[kept][]use{}
	for _, u := range uses {
		k := u.kept()
		toBegin[k], toEnd[k] = append(toBegin[k], u), append(toEnd[k], u)
	}
	next := func(of map[kept][]use, t sighting) (u use, ok bool) {
		k := kept{t.udp, t.v6, t.port}
		if len(of[k]) == 0 || t.pid != pid {
			s.wrong++
			return u, false
		}
		u, of[k] = of[k][0], of[k][1:]
		return u, true
	}
	for _, t := range told {
		if t.begins {
			if u, ok := next(toBegin, t); ok {
				s.begun[u.Way]++
			}
		}
		if !t.ends {
			continue
		}
		if u, ok := next(toEnd, t); ok {
			s.ended[u.Way]++
			if ways[u.Way].timeWait && t.held != unknown {
				s.off = append(s.off, u.held().off(t.held).Seconds())
			}
		}
	}
	return s
}

// off is how far outside the window a time lies: negative if before it.
func (w window) off(at time.Duration) time.Duration {
	switch {
	case at < w.From:
		return at - w.From
	case at > w.To:
		return at - w.To
	}
	return 0
}

// exact says that it told everything it can see, and that rightly.
func (s score) exact(made []int) bool {
	for i, n := range made {
		if s.stable && ways[i].fleeting {
			n = s.begun[i]
		}
		if s.begun[i] != n || s.ended[i] != n {
			return false
		}
	}
	return s.wrong == 0
}

// madeOf counts uses by way.
func madeOf(uses []use) []int {
	made := make([]int, len(ways))
	for _, u := range uses {
		made[u.Way]++
	}
	return made
}

func sum(counts []int) (n int) {
	for _, c := range counts {
		n += c
	}
	return n
}
