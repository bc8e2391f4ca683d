package diagnose

import (
	"time"

	"porttrace/internal/event"
	"porttrace/internal/ktime"
	"porttrace/internal/lifetime"
	"porttrace/internal/pool"
)

// place is what is known of a pool.
type place struct {
	key    pool.Key
	live   int
	hot    bool // its holds are worth a look
	stakes map[*party]*stake

	told           bool
	toldAt         ktime.Wall
	latest, before lifetime.PoolInfo // pool records, the last and one some seconds earlier
	worst          lifetime.PoolInfo // the fullest

	reusedAt ktime.Wall // the last time that connect() took a port over from TIME_WAIT
	failures map[lifetime.Cause]*failed
	searches *[2]durations // by whether less than half of the ports were in use; nil: none
}

// stake is what a party has to do with a place.
type stake struct {
	suspect
	place *place

	live, assigned, released int
	unanswered               int                         // connect() timed out
	spent                    [event.States]time.Duration // by what was released
	growth                   []sample
	spells                   map[ID]*spell // of recordings
}

// sample is how many ports a share held at a time that do not come back by themselves.
type sample struct {
	at      ktime.Wall
	lasting int
}

// holding is a port that is held.
type holding struct {
	stake     *stake
	path      event.Path
	port      uint16
	pid       uint32
	state     event.State
	known     bool // state is
	connected bool
	outside   bool // of the range
	first     ktime.Wall
	seen      ktime.Wall
	inState   time.Duration // when seen
}

// age is how long it has been in its state.
func (h *holding) age(now ktime.Wall) time.Duration { return h.inState + now.Sub(h.seen) }

func (e *Engine) stake(h *lifetime.Hold) *stake {
	p, who := e.place(pool.KeyOf(h)), e.party(&h.Owner)
	s := p.stakes[who]
	if s == nil {
		s = &stake{place: p, suspect: suspect{party: who}}
		p.stakes[who] = s
	}
	return s
}

func (e *Engine) place(k pool.Key) *place {
	p := e.places[k]
	if p == nil {
		if len(e.places) >= max(maxPlaces, e.room.places) {
			e.sweep()
		}
		p = &place{key: k, stakes: map[*party]*stake{}}
		e.places[k] = p
	}
	return p
}

// forget drops a share that holds nothing, where there are many.
func (e *Engine) forget(s *stake) {
	if len(s.place.stakes) > 64 {
		delete(s.place.stakes, s.party)
	}
}

// blame names the one of several processes that has nine tenths of the ports.
func (s *stake) blame(m *mix) {
	for pid, n := range m.pids {
		if 10*n >= 9*s.live {
			s.pid = pid
		}
	}
}

// measure takes how long a search for a port took.
func (p *place) measure(search time.Duration, usable int) {
	if search < 0 || usable == 0 || p.live < few { // most places never have many
		return
	}
	if p.searches == nil {
		p.searches = &[2]durations{}
	}
	p.searches[min(2*p.live/usable, 1)].add(search)
}

// main is the share with the most of something, nil of nothing.
func (p *place) main(of func(*stake) int) (top *stake) {
	for _, s := range p.stakes {
		if n := of(s); n > 0 && (top == nil || n > of(top) || n == of(top) && s.before(top.party)) {
			top = s
		}
	}
	return top
}
