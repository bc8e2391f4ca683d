//go:build linux

package main

import (
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"porttrace/internal/lifetime"
)

// cpuTime is what the process has taken of all CPUs (CPUCLOCK_SCHED of its pid, see
// clock_getcpuclockid(3)).
func (p *process) cpuTime() time.Duration {
	p.t.Helper()
	var ts unix.Timespec
	if err := unix.ClockGettime(int32(^p.cmd.Process.Pid<<3|2), &ts); err != nil {
		p.t.Fatalf("asking for porttrace's CPU time: %v", err)
	}
	return time.Duration(ts.Nano())
}

// A storm that takes far more than --max-cpu allows: the tracer stays near it, says what it
// leaves out, and every event is in the recording or counted as lost. When the storm is
// over, all comes back, and what is held is true.
func TestMaxCPU(t *testing.T) {
	const percent = 3
	c := newClient(t, 40000, 49999)
	p := tracing(t, "-q", "--max-cpu", "3", "--buffer-size", "256K", "-o", "x.jsonl", c.netns())
	made := 0
	storm := func() {
		c.do("storm", 1000)
		made += 1000
	}
	p.until("events are left out", func() bool {
		storm()
		return strings.Contains(p.stderr.String(), "events are LOST")
	})
	began, used := time.Now(), p.cpuTime()
	for time.Since(began) < 8*time.Second {
		storm()
	}
	share := 100 * float64(p.cpuTime()-used) / float64(time.Since(began))
	t.Logf("%.2f %% of a CPU in a storm of %.0f connections a second", share, float64(made)/time.Since(began).Seconds())
	if share > 2*percent {
		t.Errorf("took %.2f %% of a CPU, the limit is %d", share, percent)
	}
	opened := c.do("open", 23)
	made += 23
	p.until("all comes back", func() bool { return strings.Contains(p.stderr.String(), "within --max-cpu 3 again") })
	more := c.do("open", 23)
	made += 23
	p.interrupt()
	c.do("close")

	records := wholeButLost(t, readFile(t, p.path("x.jsonl")))
	end := records[len(records)-1].End
	held := map[uint16]bool{}
	for _, r := range c.own(records, lifetime.HeldAtEnd) {
		held[r.Hold.Port] = true
	}
	for _, port := range append(opened, more...) {
		if !held[port] {
			t.Errorf("port %d is held, and not told so at the end", port)
		}
	}
	if len(held) != 46 || end.Held != 46 || end.Complete {
		t.Errorf("%d held at the end, which says %+v", len(held), *end)
	}
	// Two events a connection, but for those that are still open. What was put right is
	// told in a record, and came in none.
	if events := end.Assigned + end.Released - end.Reconciled + end.Lost; events != uint64(2*made-46) {
		t.Errorf("%d events are told or lost, want %d: %+v", events, 2*made-46, *end)
	}
	wantShedding(t, records, end.Lost)
}

// wantShedding checks what the recording says of what was left out: more and more, then
// less and less, until nothing was.
func wantShedding(t *testing.T, records []*lifetime.Record, lost uint64) {
	t.Helper()
	most := 0
	sheds := ofType(records, lifetime.Shed)
	for i, r := range sheds {
		most = max(most, len(r.Shed.What))
		if r.Shed.Limit != 3 || i > 0 && r.Shed.For <= 0 {
			t.Errorf("%+v", *r.Shed)
		}
	}
	if most != 4 || len(sheds[len(sheds)-1].Shed.What) != 0 {
		t.Errorf("of %d shed records the most leaves %d things out, the last %q", len(sheds), most, sheds[len(sheds)-1].Shed.What)
	}
	var told uint64
	for _, r := range ofType(records, lifetime.Lost) {
		if r.Lost.Where == "cpu" {
			told += r.Lost.Events
		}
	}
	if told == 0 || told > lost {
		t.Errorf("%d events are lost to the limit, of %d", told, lost)
	}
}
