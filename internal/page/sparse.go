package page

import "porttrace/internal/event"

// level is how something stood in one bin.
type level struct {
	bin       int
	most, end int
}

// levels is how something stood over time, where it changed: in bins between two, it stood
// as at the end of the first. In order, at most one for each bin.
type levels []level

func (l *levels) set(bin, n int) {
	if last := len(*l) - 1; last >= 0 && (*l)[last].bin >= bin {
		at := &(*l)[last]
		at.most, at.end = max(at.most, n), n
		return
	}
	*l = append(*l, level{bin, n, n})
}

func (l *levels) halve() {
	out := (*l)[:0]
	for _, at := range *l {
		at.bin /= 2
		if last := len(out) - 1; last >= 0 && out[last].bin == at.bin {
			out[last].most, out[last].end = max(out[last].most, at.most), at.end
			continue
		}
		out = append(out, at)
	}
	*l = out
}

func (l *levels) shift(n int) {
	for i := range *l {
		(*l)[i].bin += n
	}
}

// series returns the most in each bin; unknown before the first if it is not zero then.
func (l levels) series(bins int, before *int) []*int {
	out := make([]*int, bins)
	now, i := before, 0
	for b := range out {
		out[b] = now
		for ; i < len(l) && l[i].bin == b; i++ {
			most, end := l[i].most, l[i].end
			if now != nil {
				most = max(most, *now)
			}
			out[b], now = &most, &end
		}
	}
	return out
}

// counts is how often something happened, by bin.
type counts map[int]int

func (c counts) halve() {
	c.move(func(bin int) int { return bin / 2 })
}

func (c counts) shift(n int) {
	c.move(func(bin int) int { return bin + n })
}

func (c counts) move(to func(int) int) {
	old := make(counts, len(c))
	for bin, n := range c {
		old[bin] = n
	}
	clear(c)
	for bin, n := range old {
		c[to(bin)] += n
	}
}

// step is a change in how many holds are in a state.
type step struct {
	bin   uint16
	state event.State // event.States: unknown
	by    int32
}

// steps are changes in no order. They are told when a hold is over, so of any bin; from
// time to time those of one bin and state are added up.
type steps struct {
	list []step
	sum  int // length at which to add up
}

// open is the bin of an end that has not come.
const open = maxBins

// fewSteps is how many steps are kept as they come: most pools have a hold or two.
const fewSteps = 64

func (s *steps) add(from, to int, state event.State) {
	s.list = append(s.list, step{uint16(from), state, 1}, step{uint16(to), state, -1})
	if len(s.list) >= max(s.sum, fewSteps) {
		s.addUp()
		s.sum = 2 * len(s.list)
	}
}

func (s *steps) addUp() {
	var sums [event.States + 1][maxBins + 1]int32
	for _, c := range s.list {
		sums[c.state][c.bin] += c.by
	}
	s.list = s.list[:0]
	for state := range sums {
		for bin, by := range sums[state] {
			if by != 0 {
				s.list = append(s.list, step{uint16(bin), event.State(state), by})
			}
		}
	}
}

func (s *steps) halve() {
	for i := range s.list {
		if s.list[i].bin != open {
			s.list[i].bin /= 2
		}
	}
}

func (s *steps) shift(n int) {
	for i := range s.list {
		if s.list[i].bin != open {
			s.list[i].bin += uint16(n)
		}
	}
}

// close ends what is open.
func (s *steps) close(bin int) {
	for i := range s.list {
		if s.list[i].bin == open {
			s.list[i].bin = uint16(bin)
		}
	}
}

// series returns how many were in each state at the end of each bin, nil for a state that
// nothing was in.
func (s *steps) series(bins int) [event.States + 1][]int {
	s.addUp()
	var out [event.States + 1][]int
	for _, c := range s.list {
		if out[c.state] == nil {
			out[c.state] = make([]int, bins)
		}
		if int(c.bin) < bins {
			out[c.state][c.bin] += int(c.by)
		}
	}
	for _, line := range out {
		for b := 1; b < len(line); b++ {
			line[b] += line[b-1]
		}
	}
	return out
}
