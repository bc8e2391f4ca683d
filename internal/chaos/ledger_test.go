package chaos

import "sync"

// place is a TCP port of a namespace.
type place struct {
	netns uint32
	port  uint16
}

// ledger is what the workers tell. Their listeners' goroutines write it.
type ledger struct {
	mu         sync.Mutex
	claims     map[claim]int  // since the last quiet moment
	listening  map[place]bool // accepted sockets may have these ports
	did        map[string]int
	operations int
	claimed    int
	faults     []string
}

func newLedger() *ledger {
	return &ledger{claims: map[claim]int{}, listening: map[place]bool{}, did: map[string]int{}}
}

// total returns how many ports the workers saw assigned so far.
func (l *ledger) total() int {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.claimed
}

// takeFaults returns what went wrong since the last time.
func (l *ledger) takeFaults() []string {
	l.mu.Lock()
	defer l.mu.Unlock()
	faults := l.faults
	l.faults = nil
	return faults
}

// unmet returns claims that the recording does not bear out.
func (l *ledger) unmet(told map[claim]int) []claim {
	l.mu.Lock()
	defer l.mu.Unlock()
	var found []claim
	for c, n := range l.claims {
		if told[c] < n {
			found = append(found, c)
		}
	}
	return found
}

// isListening says whether accepted sockets may have a port.
func (l *ledger) isListening(at place) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.listening[at]
}

// forgetClaims begins a new window of claims.
func (l *ledger) forgetClaims() {
	l.mu.Lock()
	defer l.mu.Unlock()
	clear(l.claims)
}

// forgetListening forgets the listening ports that nothing has any more.
func (l *ledger) forgetListening(inUse map[place]bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for at := range l.listening {
		if !inUse[at] {
			delete(l.listening, at)
		}
	}
}
