package chaos

import (
	"bufio"
	"bytes"
	"fmt"
	"os"
	"sort"
	"strings"
	"testing"
	"time"

	"porttrace/internal/event"
)

// Whatever happens, the held set is the kernel's, and the recording adds up.
func TestChaos(t *testing.T) {
	r := newRun(t, 20*time.Second)
	if os.Getenv(durationEnv) != "" {
		r.samples = newSampler(r.lasts)
		realClients(t)
	}
	r.populate(4)
	r.trace("--buffer-size", "256M") // the host may have other loads, all in one ring
	r.judge()
	r.live(r.disturb, r.judge)
	r.conclude()
	r.samples.conclude(t)
	r.checkCoverage()
	r.checkLosses()
}

// checkLosses accepts what the kernel keeps from every tracer (a protected task runs, a hook
// interrupts itself), and no more: a small part, and while tasks are hidden only what packets
// and timers do. Some of that may be taken for a fault of ours, but less than is known for what
// it is.
func (r *run) checkLosses() {
	r.t.Helper()
	b, end := r.book, r.book.end
	if b.unseen > 0 {
		r.t.Logf("the kernel kept %d events from us: %s", b.unseen, &r.tracer.stderr)
	}
	if most := 20 + b.released/50; b.unseen > most {
		r.t.Errorf("the kernel kept %d events from us, of %d releases; want %d at the most", b.unseen, b.released, most)
	}
	if end.Lost != b.unseen || b.lost != b.unseen || end.Discrepancies > b.unseen || end.Complete != (b.unseen == 0) {
		r.t.Errorf("with %d unseen events of %d lost the end record says %+v\n%s", b.unseen, b.lost, *end, &r.tracer.stderr)
	}
	if b.unseen == 0 && (end.Reconciled != 0 || b.vanished != 0) {
		r.t.Errorf("nothing was lost, and %d holds were put right, %d vanished", end.Reconciled, b.vanished)
	}
	if b.hidden == b.unseen {
		for _, o := range b.odd {
			if r.isOurs(o.holding) {
				r.t.Errorf("%s, owner %d: %s", o.line, o.owner, o.how)
			}
		}
	}
}

// enough operations make it sure that each was picked: the rarest is one in 300, so 4000
// leave it out once in 300,000 runs. A busy machine may not get there.
const enough = 4000

// checkCoverage checks that every operation was tried. How often each is, and how often it
// has something to do it on, is left to chance.
func (r *run) checkCoverage() {
	r.t.Helper()
	r.ledger.mu.Lock()
	defer r.ledger.mu.Unlock()
	if r.ledger.operations < enough {
		r.t.Logf("%d operations are too few to tell whether any is left out", r.ledger.operations)
		return
	}
	for _, op := range operations {
		if r.ledger.did[op.name] == 0 {
			r.t.Errorf("of %d operations none was %s", r.ledger.operations, op.name)
		}
	}
}

// conclude stops the tracer and checks the recording as a whole.
func (r *run) conclude() {
	r.t.Helper()
	r.tracer.stop()
	r.book.catchUp()
	r.t.Log(r.summary())
	r.t.Log(r.ledger.coverage())
	b := r.book
	if len(b.rest) > 0 {
		r.t.Errorf("the recording ends in %q", b.rest)
	}
	if b.end == nil {
		r.t.Fatal("the recording has no end record")
	}
	if held := b.before + b.assigned - b.released; held != b.atEnd || held != uint64(len(b.held)) {
		r.t.Errorf("conservation: %d before + %d assigned - %d released, %d held at the end, %d not released",
			b.before, b.assigned, b.released, b.atEnd, len(b.held))
	}
	if e := b.end; e.BeforeStart != b.before || e.Assigned != b.assigned || e.Released != b.released || e.Held != b.atEnd || e.Lost != b.lost {
		r.t.Errorf("the end record %+v, counted %d before, %d assigned, %d released, %d held, %d lost",
			*e, b.before, b.assigned, b.released, b.atEnd, b.lost)
	}
}

// summary is the run so far, in a line.
func (r *run) summary() string {
	waits := 0
	for _, l := range r.book.held {
		if l.state == event.TimeWait {
			waits++
		}
	}
	r.ledger.mu.Lock()
	defer r.ledger.mu.Unlock()
	return fmt.Sprintf("%d operations, %d assigned, %d held, %d of them in TIME_WAIT, %d checks, %d lost, %d records",
		r.ledger.operations, r.book.assigned, len(r.book.held), waits, r.checks, r.book.lost, r.book.records)
}

// coverage lists how often each operation was done.
func (l *ledger) coverage() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	var words []string
	for name, n := range l.did {
		words = append(words, fmt.Sprintf("%s %d", name, n))
	}
	sort.Strings(words)
	return strings.Join(words, ", ")
}

// lastRecords returns the last of what the recording has on some ports.
func (r *run) lastRecords(ports map[place]bool) string {
	const most, each = 10, 12
	var out strings.Builder
	for at := range ports {
		if out.Len() > 0 && len(ports) > most && r.rng.IntN(len(ports)) >= most {
			continue
		}
		lines := grep(r.tracer.file, fmt.Sprintf(`"netns":%d,`, at.netns), fmt.Sprintf(`"port":%d,`, at.port))
		for _, l := range lines[max(0, len(lines)-each):] {
			out.WriteString(l)
		}
		out.WriteString("\n")
	}
	return out.String()
}

// grep returns the lines of a file that have all of these words.
func grep(name string, words ...string) []string {
	file, err := os.Open(name)
	if err != nil {
		return []string{err.Error()}
	}
	defer file.Close()
	var found []string
	scanner := bufio.NewScanner(file)
	scanner.Buffer(nil, 1<<20)
next:
	for scanner.Scan() {
		for _, w := range words {
			if !bytes.Contains(scanner.Bytes(), []byte(w)) {
				continue next
			}
		}
		found = append(found, scanner.Text()+"\n")
	}
	return found
}
