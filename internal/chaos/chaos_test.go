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
	end := r.book.end
	if unseen := r.book.unseen; unseen > 0 { // while a protected task ran, or a hook interrupted itself
		t.Logf("the kernel kept %d events from us: %s", unseen, &r.tracer.stderr)
		if end.Lost != unseen || end.Discrepancies != 0 || end.Complete {
			t.Errorf("with %d unseen events the end record says %+v", unseen, *end)
		}
		return
	}
	if end.Lost != 0 || end.Reconciled != 0 || end.Discrepancies != 0 || !end.Complete {
		t.Errorf("without losses the end record says %+v", *end)
	}
	if r.book.lost != 0 || r.book.vanished != 0 {
		t.Errorf("%d events lost and %d holds vanished, want none", r.book.lost, r.book.vanished)
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
