package chaos

import (
	"math/rand/v2"
	"os"
	"strconv"
	"testing"
	"time"

	"porttrace/internal/testutil"
)

// patience is how long a condition may take to come true on a loaded machine. What a
// kernel hides from the hooks is put right within 31 s, if the tracer gets the CPU: with a
// load of 24 and others preferred it took a minute.
const patience = 3 * time.Minute

// run is one test: namespaces with workers, a tracer, and what both say.
type run struct {
	t       *testing.T
	seed    uint64
	rng     *rand.Rand
	lasts   time.Duration
	pace    int
	ledger  *ledger
	arenas  []*arena
	workers map[uint32]bool // processes, also those that are gone
	lists   bool            // the kernel lists TCP sockets that are only bound
	tracer  *tracer
	book    *book
	checks  int
	samples *sampler  // nil: not a long run
	lossy   bool      // the tracer is made to lose events
	reports time.Time // when the next line about a long run is due
}

func newRun(t *testing.T, lasts time.Duration) *run {
	t.Helper()
	testutil.NeedBPF(t)
	r := &run{
		t: t, seed: rand.Uint64(), lasts: lasts, pace: 500,
		ledger: newLedger(), workers: map[uint32]bool{}, reports: time.Now().Add(time.Minute),
	}
	if text := os.Getenv("PORTTRACE_CHAOS_SEED"); text != "" {
		r.seed = parse(t, text, func(s string) (uint64, error) { return strconv.ParseUint(s, 10, 64) })
	}
	if text := os.Getenv(durationEnv); text != "" {
		r.lasts = parse(t, text, time.ParseDuration)
	}
	if text := os.Getenv("PORTTRACE_CHAOS_PACE"); text != "" {
		r.pace = max(1, parse(t, text, strconv.Atoi))
	}
	r.rng = rand.New(rand.NewPCG(r.seed, 0))
	t.Logf("PORTTRACE_CHAOS_SEED=%d", r.seed)
	t.Cleanup(r.clear)
	return r
}

func parse[T any](t *testing.T, text string, as func(string) (T, error)) T {
	t.Helper()
	value, err := as(text)
	if err != nil {
		t.Fatal(err)
	}
	return value
}

// clear ends every worker and namespace.
func (r *run) clear() {
	for _, a := range r.arenas {
		a.destroy()
	}
	r.arenas = nil
	if r.t.Failed() {
		r.t.Logf("again: PORTTRACE_CHAOS_SEED=%d", r.seed)
	}
}

// populate makes the namespaces.
func (r *run) populate(n int) {
	r.t.Helper()
	for range n {
		r.addArena()
	}
	r.lists = r.listsBound()
}

func (r *run) addArena() {
	r.t.Helper()
	a := &arena{}
	r.arenas = append(r.arenas, a)
	r.open(a)
}

// trace starts the tracer after some traffic, while the workers pause: on a very loaded machine
// a start in the midst of it still misses sockets that enter TIME_WAIT meanwhile. What the
// workers saw assigned before is none of its business.
func (r *run) trace(args ...string) {
	r.t.Helper()
	for _, m := range r.crews() {
		m.say(sayCalm)
	}
	until := r.ledger.total() + 100*len(r.arenas)
	r.await("traffic before the trace", func() bool { return r.ledger.total() >= until })
	r.pause()
	r.tracer = startTracer(r.t, args...)
	r.book = openBook(r.t, r.tracer.file)
	r.ledger.forgetClaims()
}

func (r *run) await(what string, ok func() bool) {
	r.t.Helper()
	for deadline := time.Now().Add(patience); !ok(); time.Sleep(5 * time.Millisecond) {
		if time.Now().After(deadline) {
			r.t.Fatalf("%s: not so after %v", what, patience)
		}
	}
}

func (r *run) crews() []*member {
	var all []*member
	for _, a := range r.arenas {
		all = append(all, a.crew...)
	}
	return all
}

func (r *run) resume() {
	for _, m := range r.crews() {
		m.say(sayResume)
	}
}

// pause returns once no worker does anything.
func (r *run) pause() {
	r.t.Helper()
	for _, m := range r.crews() {
		m.say(sayPause)
	}
	for _, m := range r.crews() {
		r.awaitQuiet(m)
	}
	if faults := r.ledger.takeFaults(); len(faults) > 0 {
		r.t.Errorf("workers tell of %d faults, the first is: %s", len(faults), faults[0])
	}
}

func (r *run) awaitQuiet(m *member) {
	r.t.Helper()
	select {
	case <-m.quiet:
	case <-m.gone:
		r.t.Fatalf("worker %d ended by itself", m.cmd.Process.Pid)
	case <-time.After(patience):
		r.t.Fatalf("worker %d is not quiet after %v", m.cmd.Process.Pid, patience)
	}
}

// live lets the workers work for a while, with disturbances, then judges, again and
// again.
func (r *run) live(disturb, judge func()) {
	r.t.Helper()
	for end := time.Now().Add(r.lasts); time.Now().Before(end); {
		r.resume()
		for round := time.Now().Add(time.Second + time.Duration(r.rng.Int64N(int64(2*time.Second)))); time.Now().Before(round); {
			time.Sleep(50*time.Millisecond + time.Duration(r.rng.Int64N(int64(150*time.Millisecond))))
			disturb()
			r.book.catchUp()
			r.samples.take(r)
		}
		r.pause()
		judge()
		r.report()
	}
}

// report prints a line a minute, for those who watch a long run.
func (r *run) report() {
	if time.Now().Before(r.reports) {
		return
	}
	r.reports = time.Now().Add(time.Minute)
	r.t.Log(r.summary())
}
