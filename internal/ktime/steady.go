package ktime

import "time"

// Steady turns times of a wall clock that is set now and then into those of one that never
// was: the one of the beginning. Whoever measures how long something took by records' times
// needs it. The zero Steady has seen no step.
type Steady struct{ ahead time.Duration }

// Moved says that the wall clock has been set: times told from now on are by the new one.
func (s *Steady) Moved(by time.Duration) { s.ahead += by }

// Ahead is how far the wall clock is from the steady one.
func (s *Steady) Ahead() time.Duration { return s.ahead }

// Of returns a time of the wall clock by the steady one; unknown stays unknown.
func (s *Steady) Of(w Wall) Wall {
	if w == 0 {
		return 0
	}
	return w - Wall(s.ahead)
}

// Wall is Of backwards.
func (s *Steady) Wall(w Wall) Wall {
	if w == 0 {
		return 0
	}
	return w + Wall(s.ahead)
}
