package report

import (
	"bytes"
	"encoding/json"
	"net/netip"
	"testing"
	"time"

	"porttrace/internal/diagnose"
	"porttrace/internal/event"
	"porttrace/internal/flagvalue"
	"porttrace/internal/lifetime"
	"porttrace/internal/pool"
)

var churn = states{event.SynSent: ms, event.Established: 400 * ms, event.FinWait1: 10 * ms, event.TimeWait: 60 * sec}

// web is a host where a client wears out its ports: a hold from before, 7 lifetimes that
// end in TIME_WAIT, a hand-over, a reset, a leak, and 23 failures in two bursts.
func web() []byte {
	tp := newTape("web1", 0)
	old := tp.held(tp.hold(40000, "postgres", 812, "10.0.0.5:443"))
	leak := tp.pass(sec).assign(tp.hold(40001, "leak\x1b[2J", 7, "10.0.0.7:6379"))
	var churned []*lifetime.Hold
	for i := range 7 {
		churned = append(churned, tp.pass(100*ms).assign(tp.hold(uint16(40002+i), "curl", 1234, "10.0.0.5:443")))
	}
	listener := tp.assign(tp.hold(40009, "sshd", 1, ""))
	tp.pass(sec)
	for range 13 {
		tp.pass(ms).fail(lifetime.RangeExhausted, "curl", 1234)
	}
	for i, h := range churned[:6] {
		tp.now = h.Assigned
		tp.pass(60*sec + 411*ms)
		tp.release(h, event.TimeWaitExpired, churn)
		if i == 0 {
			again := tp.pass(2 * sec).assign(tp.hold(h.Port, "curl", 4321, "10.0.0.6:443"))
			tp.pass(50*ms).release(again, event.Reset, states{event.SynSent: 20 * ms, event.Established: 30 * ms})
		}
	}
	tp.pass(3 * time.Minute)
	last := churned[6]
	tp.release(last, event.TimeWaitReused, states{event.Established: sec, event.TimeWait: tp.now.Sub(last.Assigned) - sec})
	last = tp.assign(tp.hold(last.Port, "curl", 1234, "10.0.0.5:443"))
	for range 10 {
		tp.fail(lifetime.TupleInUse, "nginx", 99)
	}
	tp.pass(sec)
	tp.stay(old, states{event.Established: tp.now.Sub(epoch)})
	tp.stay(leak, states{event.Established: tp.now.Sub(leak.Assigned)})
	tp.stay(listener, states{event.Listening: tp.now.Sub(listener.Assigned)})
	tp.stay(last, states{event.SynSent: ms, event.Established: sec - ms})
	tp.pass(2 * ms) // the end record comes a little later
	return tp.close()
}

// db is another host with the same namespace, in two parts of a recording that lost events
// and was killed.
func db() (first, second []byte) {
	tp := newTape("db1", 30*sec, part(1), func(s *lifetime.StartInfo) { s.Filter = "--port 40001" })
	h := tp.assign(tp.hold(40001, "psql", 77, "[2001:db8::1]:5432"))
	gone := tp.pass(sec).assign(tp.hold(40002, "psql", 77, "127.0.0.1:5432"))
	tp.lose(31, "ring")
	first = bytes.Clone(tp.Bytes())
	tp.Reset()
	tp.pass(sec).add(&lifetime.Record{Type: lifetime.Start, Start: &lifetime.StartInfo{
		Schema: 1, Part: 2, Version: "v1", Host: "db1", BootID: "boot-of-db1", Kernel: "6.18.0", Hooks: "stable", Filter: "--port 40001",
	}})
	tp.pass(sec).release(h, event.Closed, states{event.Established: tp.now.Sub(h.Assigned)})
	tp.pass(sec).release(gone, event.Vanished, states{event.Established: tp.now.Sub(gone.Assigned)})
	tp.assign(tp.hold(40001, "psql", 77, "127.0.0.1:5432"))
	tp.pass(5*sec).fail("a cause of the future\n", "psql", 77)
	second = append(tp.Bytes(), `{"type":"release","time":"2026-`...)
	return first, second
}

func found() []Found {
	return []Found{{"web1", diagnose.Finding{
		ID: diagnose.Exhausted, Severity: diagnose.Critical, Title: "no port is left to 10.0.0.5:443", Because: []diagnose.ID{diagnose.TimeWaitChurn},
		Pool:     &pool.Key{NetNS: 4026531840, Proto: event.TCP, Src: netip.MustParseAddr("10.0.0.9"), Dst: netip.MustParseAddrPort("10.0.0.5:443")},
		Evidence: []diagnose.Number{{Name: "in_use", Value: 28232}, {Name: "time_wait_percent", Value: 98.86}, {Name: "mean_held_ns", Value: 61e9}, {Name: "rate", Value: 461.7}},
		Remedy:   "keep connections open",
	}}, {"web1", diagnose.Finding{
		ID: diagnose.TimeWaitChurn, Severity: diagnose.Warning, Title: "short connections\x1b[2J",
		Culprit: &lifetime.Owner{PID: 1234, TID: 1234, Comm: "cu\xffrl", Place: lifetime.Intern(lifetime.Place{Cgroup: "/user.slice"})},
		Remedy:  "tcp_tw_reuse=1",
	}}}
}

func TestGolden(t *testing.T) {
	first, second := db()
	var ports flagvalue.Ports
	if err := ports.Set("40001-40003"); err != nil {
		t.Fatal(err)
	}
	for name, s := range map[string]*Summary{
		"web":   reportOn(t, Options{}, web()),
		"hosts": reportOn(t, Options{Top: 3}, second, web(), first),
		"ports": reportOn(t, Options{Ports: ports}, web(), first, second),
		"empty": reportOn(t, Options{}, newTape("idle", 0).close()),
	} {
		t.Run(name, func(t *testing.T) {
			opts := TextOptions{}
			if name == "web" {
				s.Findings = found()
			}
			if name == "ports" {
				opts.Narrowed = "--port 40001-40003"
			}
			var text, object bytes.Buffer
			if err := s.WriteText(&text, opts); err != nil {
				t.Fatal(err)
			}
			golden(t, name+".txt", text.Bytes())
			if err := s.WriteJSON(&object); err != nil {
				t.Fatal(err)
			}
			if !json.Valid(object.Bytes()) {
				t.Errorf("no JSON: %s", &object)
			}
			golden(t, name+".json", object.Bytes())
			var colored bytes.Buffer
			opts.Color = true
			if err := s.WriteText(&colored, opts); err != nil {
				t.Fatal(err)
			}
			if !bytes.Equal(sgr.ReplaceAll(colored.Bytes(), nil), text.Bytes()) {
				t.Error("colour changes the words")
			}
		})
	}
}
