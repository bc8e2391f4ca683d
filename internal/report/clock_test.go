package report

import (
	"bytes"
	"encoding/json"
	"testing"
	"time"

	"porttrace/internal/flagvalue"
	"porttrace/internal/ktime"
	"porttrace/internal/lifetime"
	"porttrace/internal/recording"
)

// setClock records the same once more on a host whose clock is set by so much before the
// records of these numbers: as the tracer does, all times of a record by the clock of its
// moment.
func setClock(records []*lifetime.Record, by time.Duration, before ...int) (out []*lifetime.Record) {
	var ahead ktime.Wall
	for i, r := range records {
		for _, n := range before {
			if n == i {
				from := r.Time + ahead
				ahead += ktime.Wall(by)
				out = append(out, &lifetime.Record{Type: lifetime.Clock, Time: from + ktime.Wall(by), Clock: &lifetime.ClockInfo{From: from}})
			}
		}
		set := *r
		set.Time += ahead
		if r.Hold != nil {
			h := *r.Hold
			if h.Assigned != 0 {
				h.Assigned += ahead
			}
			set.Hold = &h
		}
		out = append(out, &set)
	}
	return out
}

// asText is all of a report but for the remarks.
func asText(t *testing.T, s *Summary) string {
	t.Helper()
	var out bytes.Buffer
	if err := s.WriteJSON(&out); err != nil {
		t.Fatal(err)
	}
	var all map[string]json.RawMessage
	if err := json.Unmarshal(out.Bytes(), &all); err != nil {
		t.Fatal(err)
	}
	delete(all, "remarks")
	text, err := json.MarshalIndent(all, "", " ")
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

func decode(t *testing.T, data []byte) (records []*lifetime.Record) {
	t.Helper()
	for in := recording.NewReader(bytes.NewReader(data)); ; {
		r, err := in.Read()
		if err != nil {
			return records
		}
		records = append(records, r)
	}
}

// Whoever sets the clock of a host changes nothing in what is reported of it.
func TestReportsDoNotDependOnTheClockBeingSet(t *testing.T) {
	var ports flagvalue.Ports
	if err := ports.Set("40002,40008,40009"); err != nil {
		t.Fatal(err)
	}
	storm := newStorm(5, 300, 20)
	storm.lasting = true
	stormy := storm.records(4000)
	for name, records := range map[string][]*lifetime.Record{"web": decode(t, web()), "storm": stormy} {
		last := records[len(records)-1].Time
		middle := records[len(records)/2].Time
		for what, opts := range map[string]Options{
			"all": {}, "ports": {Ports: ports}, "since": {Since: middle}, "until": {Until: middle},
			"a third": {Since: epoch + (last-epoch)/3, Until: epoch + 2*(last-epoch)/3},
		} {
			want := asText(t, reportOn(t, opts, encode(records)))
			for _, by := range []time.Duration{time.Hour, -time.Hour} {
				n := len(records)
				s := reportOn(t, opts, encode(setClock(records, by, n/4, n/2, n-2)))
				if got := asText(t, s); got != want {
					t.Errorf("%s, %s, set by %v:\n%s\nwant\n%s", name, what, by, got, want)
				}
				if steps := s.Recordings[0].Steps; len(steps) != 3 || steps[1].By != by || steps[1].At != records[n/2].Time {
					t.Errorf("%s, %s: told of %v", name, what, steps)
				}
			}
		}
	}
}

// Parts and recordings of one boot stay in order, and what lies between them is as long as
// it was, if the clock was set back meanwhile.
func TestFilesOfABootAreInTheOrderOfItsUptime(t *testing.T) {
	at := func(uptime time.Duration, part int) func(*lifetime.StartInfo) {
		return func(s *lifetime.StartInfo) { s.Part, s.Uptime = part, ktime.Time(time.Hour+uptime) }
	}
	first := newTape("web1", 0, at(0, 1))
	h := first.pass(sec).assign(first.hold(40000, "curl", 7, "10.0.0.5:443"))
	// The step was in a part between these, which is lost.
	second := newTape("web1", 20*sec-time.Hour, at(20*sec, 3))
	h.Assigned -= ktime.Wall(time.Hour)
	second.end = first.end
	second.pass(sec).release(h, 1, states{2: 20 * sec})
	last := second.close()
	s := reportOn(t, Options{}, last, first.Bytes())
	if span := s.To.Sub(s.From); span != 21*sec {
		t.Errorf("the report is about %v, not 21 s", span)
	}
	if s.Recordings[0].Missing != 1 || s.Counts.Released != 1 || s.From != epoch {
		t.Errorf("%+v from %v", s.Counts, s.From.Time())
	}
}
