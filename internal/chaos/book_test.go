package chaos

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/netip"
	"os"
	"testing"
	"time"

	"porttrace/internal/event"
	"porttrace/internal/lifetime"
	"porttrace/internal/recording"
)

// book follows the recording as it grows and keeps of it what is held, and sums.
type book struct {
	t    *testing.T
	file *os.File
	at   int64  // how far it has been read
	rest []byte // a line that is not whole yet

	held     map[uint64]holding
	begun    bits
	over     bits
	told     map[claim]int // assigns since the last quiet moment
	before   uint64
	assigned uint64
	released uint64
	atEnd    uint64
	vanished uint64
	lost     uint64 // events
	unseen   uint64 // of them, those that the kernel showed to no hook
	hidden   uint64 // of these, those while a protected task ran
	odd      []odd  // holds put right that take a system call of their owner's
	records  uint64
	end      *lifetime.EndInfo
}

// line is a hold, or a socket, as tables have it.
type line struct {
	netns    uint32
	proto    event.Proto
	state    event.State
	src, dst netip.AddrPort // dst has port 0 where there is none
}

// holding is a line of the tracer's, and the process that it says is the owner; 0: unknown.
type holding struct {
	line
	owner uint32
}

func (l line) String() string {
	if l.dst.Port() == 0 {
		return fmt.Sprintf("netns %d: %s %s %s", l.netns, l.proto, l.src, l.state)
	}
	return fmt.Sprintf("netns %d: %s %s -> %s %s", l.netns, l.proto, l.src, l.dst, l.state)
}

// odd is a hold that was put right though nobody hides its owner.
type odd struct {
	holding
	how string
}

// bits is a set of small numbers: the recording's ids count from 1.
type bits []uint64

// add returns false for a number that is in the set.
func (b *bits) add(n uint64) bool {
	for n/64 >= uint64(len(*b)) {
		*b = append(*b, 0)
	}
	word, bit := &(*b)[n/64], uint64(1)<<(n%64)
	isNew := *word&bit == 0
	*word |= bit
	return isNew
}

func openBook(t *testing.T, name string) *book {
	t.Helper()
	file, err := os.Open(name)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { file.Close() })
	return &book{t: t, file: file, held: map[uint64]holding{}, told: map[claim]int{}}
}

// catchUp reads what the tracer has written since the last time, whole lines only. What it
// writes meanwhile is left to the next time: on a slow CPU it may write faster than this reads.
func (b *book) catchUp() {
	b.t.Helper()
	info, err := b.file.Stat()
	if err != nil {
		b.t.Fatalf("following the recording: %v", err)
	}
	news := io.NewSectionReader(b.file, b.at, info.Size()-b.at)
	chunk := make([]byte, 1<<20)
	for {
		n, err := news.Read(chunk)
		b.at += int64(n)
		b.rest = append(b.rest, chunk[:n]...)
		if whole := bytes.LastIndexByte(b.rest, '\n') + 1; whole > 0 {
			b.read(b.rest[:whole])
			b.rest = append(b.rest[:0], b.rest[whole:]...)
		}
		if errors.Is(err, io.EOF) {
			return
		}
		if err != nil {
			b.t.Fatalf("following the recording: %v", err)
		}
	}
}

func (b *book) read(lines []byte) {
	b.t.Helper()
	for l := range bytes.Lines(lines) {
		if bytes.HasPrefix(l, []byte(`{"type":"release"`)) {
			b.checkSums(l)
		}
	}
	for r := recording.NewReader(bytes.NewReader(lines)); ; {
		rec, err := r.Read()
		if errors.Is(err, io.EOF) {
			return
		}
		if err != nil {
			b.t.Fatalf("following the recording: %v", err)
		}
		b.records++
		b.take(rec)
	}
}

// checkSums checks that a release's states add up to held_ns, which the decoder takes
// for granted.
func (b *book) checkSums(text []byte) {
	b.t.Helper()
	var release struct {
		ID     uint64
		Held   time.Duration `json:"held_ns"`
		States map[string]time.Duration
	}
	if err := json.Unmarshal(text, &release); err != nil {
		b.t.Fatalf("following the recording: %v", err)
	}
	var sum time.Duration
	for _, d := range release.States {
		sum += d
	}
	if sum != release.Held {
		b.t.Errorf("hold %d: states add up to %v, held_ns is %v", release.ID, sum, release.Held)
	}
}

func (b *book) take(r *lifetime.Record) {
	b.t.Helper()
	switch r.Type {
	case lifetime.HeldAtStart:
		b.before++
		b.begin(r)
	case lifetime.Assign:
		b.assigned++
		r.Hold.State = firstState(r.Hold)
		b.begin(r)
		b.told[claimOf(r.Hold)]++
		if r.Hold.Assigned == 0 && (r.Hold.Proto != event.TCP || r.Hold.Dst.Port() == 0 || r.Hold.Owner.PID != 0) {
			b.odd = append(b.odd, odd{b.held[r.Hold.ID], "held and not told"})
		}
	case lifetime.State:
		if _, ok := b.held[r.Hold.ID]; !ok {
			b.t.Errorf("hold %d (%s) changes its state and is not held", r.Hold.ID, lineOf(r.Hold))
		}
		b.held[r.Hold.ID] = holding{lineOf(r.Hold), r.Hold.Owner.PID}
	case lifetime.Release:
		b.released++
		if r.Reason == event.Vanished {
			b.vanished++
			if h := b.held[r.Hold.ID]; h.proto != event.TCP || h.state == event.Bound || h.state == event.Listening {
				b.odd = append(b.odd, odd{h, "told as held and gone"})
			}
		}
		b.checkTimes(r)
		b.finish(r)
	case lifetime.HeldAtEnd:
		b.atEnd++
		b.checkTimes(r)
		if _, ok := b.held[r.Hold.ID]; !ok || !b.over.add(r.Hold.ID) {
			b.t.Errorf("hold %d (%s) is held at the end and never began, or was over", r.Hold.ID, lineOf(r.Hold))
		}
	case lifetime.Lost:
		b.lost += r.Lost.Events
		switch r.Lost.Where {
		case "hidden":
			b.hidden += r.Lost.Events
			b.unseen += r.Lost.Events
		case "recursion":
			b.unseen += r.Lost.Events
		}
	case lifetime.End:
		b.end = r.End
	}
}

// firstState is the state that a new hold is in. Recordings leave it to the path.
func firstState(h *lifetime.Hold) event.State {
	switch {
	case h.Proto == event.UDP && h.Dst.Port() != 0:
		return event.Established
	case h.Path == event.Connect:
		return event.SynSent
	case h.Path == event.Listen:
		return event.Listening
	}
	return event.Bound
}

func (b *book) begin(r *lifetime.Record) {
	b.t.Helper()
	if !b.begun.add(r.Hold.ID) {
		b.t.Errorf("hold %d (%s) begins twice", r.Hold.ID, lineOf(r.Hold))
	}
	b.held[r.Hold.ID] = holding{lineOf(r.Hold), r.Hold.Owner.PID}
}

func (b *book) finish(r *lifetime.Record) {
	b.t.Helper()
	if _, ok := b.held[r.Hold.ID]; !ok || !b.over.add(r.Hold.ID) {
		b.t.Errorf("hold %d (%s) ends twice or never began", r.Hold.ID, lineOf(r.Hold))
	}
	delete(b.held, r.Hold.ID)
}

func (b *book) checkTimes(r *lifetime.Record) {
	b.t.Helper()
	h := r.Hold
	switch {
	case h.Assigned == 0: // its beginning was not seen
	case h.Assigned > r.Time:
		b.t.Errorf("hold %d (%s) is assigned at %v and over at %v", h.ID, lineOf(h), h.Assigned.Time(), r.Time.Time())
	case r.Time.Sub(h.Assigned) != h.HeldFor():
		b.t.Errorf("hold %d (%s): states add up to %v, it was held %v", h.ID, lineOf(h), h.HeldFor(), r.Time.Sub(h.Assigned))
	}
}

func lineOf(h *lifetime.Hold) line {
	l := line{netns: h.NetNS, proto: h.Proto, state: h.State, src: netip.AddrPortFrom(h.Src, h.Port)}
	if h.State != event.Bound && h.State != event.Listening {
		l.dst = h.Dst
	}
	return l
}

func claimOf(h *lifetime.Hold) claim {
	return claim{h.NetNS, h.Owner.PID, h.Proto, h.Path, netip.AddrPortFrom(h.Src, h.Port)}
}
