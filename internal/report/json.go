package report

import (
	"encoding/json"
	"fmt"
	"io"
	"math"
	"net/netip"
	"strconv"
	"time"

	"porttrace/internal/ktime"
	"porttrace/internal/recording"
)

// WriteJSON writes the report as one object (DESIGN.md, 3), with what that leaves open
// after it. Unknown is null; strings are those of the recording, byte for byte.
func (s *Summary) WriteJSON(w io.Writer) error {
	enc := json.NewEncoder(w)
	enc.SetEscapeHTML(false)
	enc.SetIndent("", "  ")
	if err := enc.Encode(s.object()); err != nil {
		return fmt.Errorf("writing the report: %w", err)
	}
	return nil
}

// object is the report in JSON's order.
type object struct {
	Complete  bool                 `json:"complete"`
	Lost      uint64               `json:"lost"`
	From      instant              `json:"from"`
	To        instant              `json:"to"`
	Hosts     []name               `json:"hosts"`
	Lifetimes uint64               `json:"lifetimes"`
	Failures  uint64               `json:"failures"`
	Findings  []findingObject      `json:"findings"`
	Top       topObject            `json:"top"`
	States    map[string]stateSpan `json:"states"`

	Incomplete  []shortcoming     `json:"incomplete"`        // why not complete
	Remarks     []shortcoming     `json:"remarks,omitempty"` // no shortcomings
	Before      uint64            `json:"before_start"`
	Assigned    uint64            `json:"assigned"`
	Released    uint64            `json:"released"`
	Held        uint64            `json:"held"`
	HeldNS      wholeNS           `json:"held_ns"`
	UnknownNS   wholeNS           `json:"unknown_states_ns"`
	Reasons     map[string]uint64 `json:"reasons"`
	HeldSpread  *span             `json:"lifetime"`
	Search      map[string]*span  `json:"search"` // by path
	FailureList []failureObject   `json:"failures_by_cause"`
	Reuse       reuseObject       `json:"reuse"`
	Ports       []portObject      `json:"ports,omitzero"` // with --port
	PortsLeft   uint64            `json:"ports_holds_left_out,omitzero"`
}

type (
	// name is text of others, "" unknown.
	name string
	// instant is a time, 0 unknown.
	instant ktime.Wall
	// address is an IP address, the zero one unknown.
	address netip.Addr
	// number32 is an id or a port, 0 unknown.
	number32 uint32
	// wholeNS is port time, without a fraction.
	wholeNS portTime
	// real is a number that JSON may not have.
	real float64
)

var null = []byte("null")

func (n name) MarshalJSON() ([]byte, error) {
	if n == "" {
		return null, nil
	}
	return recording.AppendString(nil, string(n)), nil
}

func (i instant) MarshalJSON() ([]byte, error) {
	if i == 0 {
		return null, nil
	}
	return ktime.Wall(i).Time().AppendFormat(nil, `"2006-01-02T15:04:05.000000000Z"`), nil
}

func (a address) MarshalJSON() ([]byte, error) {
	if !netip.Addr(a).IsValid() {
		return null, nil
	}
	return json.Marshal(netip.Addr(a).Unmap().WithZone("").String())
}

func (n number32) MarshalJSON() ([]byte, error) {
	if n == 0 {
		return null, nil
	}
	return strconv.AppendUint(nil, uint64(n), 10), nil
}

func (n wholeNS) MarshalJSON() ([]byte, error) {
	return strconv.AppendFloat(nil, float64(n), 'f', 0, 64), nil
}

func (r real) MarshalJSON() ([]byte, error) {
	if f := float64(r); math.IsNaN(f) || math.IsInf(f, 0) {
		return null, nil
	}
	return json.Marshal(float64(r))
}

// span is a Spread.
type span struct {
	Count uint64        `json:"count"`
	P50   time.Duration `json:"p50_ns"`
	P90   time.Duration `json:"p90_ns"`
	P99   time.Duration `json:"p99_ns"`
	Max   time.Duration `json:"max_ns"`
}

type stateSpan struct {
	P50   time.Duration `json:"p50_ns"`
	P90   time.Duration `json:"p90_ns"`
	P99   time.Duration `json:"p99_ns"`
	Max   time.Duration `json:"max_ns"`
	Share float64       `json:"share"`
	Count uint64        `json:"count"`
}

// spanOf returns nil where nothing is known.
func spanOf(s *Spread) *span {
	if s.Count == 0 {
		return nil
	}
	return &span{s.Count, s.P50, s.P90, s.P99, s.Max}
}

func (s *Summary) object() *object {
	o := &object{
		Complete: s.Complete, Lost: s.Lost, From: instant(s.From), To: instant(s.To), Hosts: []name{},
		Lifetimes: s.Counts.Lifetimes(), Failures: s.All.Failures,
		Findings: s.findingObjects(), Top: s.topObject(), States: map[string]stateSpan{},
		Incomplete: s.lines((*Recording).Shortcomings), Remarks: s.lines(remarks),
		Before: s.Counts.Before, Assigned: s.Counts.Assigned, Released: s.Counts.Released, Held: s.Counts.Held,
		HeldNS: wholeNS(s.All.Held), UnknownNS: wholeNS(s.Unknown), Reasons: s.reasons(),
		HeldSpread: spanOf(&s.Lifetimes), Search: map[string]*span{},
		FailureList: s.failureObjects(), Reuse: s.reuseObject(), Ports: s.portObjects(), PortsLeft: s.HistoryLeft,
	}
	for _, host := range s.Hosts() {
		o.Hosts = append(o.Hosts, name(host))
	}
	for i := range s.States {
		st := &s.States[i]
		o.States[st.State.String()] = stateSpan{st.P50, st.P90, st.P99, st.Max, st.Share, st.Count}
	}
	for i := range s.Searches {
		o.Search[orUnknown(s.Searches[i].Path.String())] = spanOf(&s.Searches[i].Spread)
	}
	return o
}

// reasons are the ends by reason, unknown ones as such.
func (s *Summary) reasons() map[string]uint64 {
	out := map[string]uint64{}
	for reason, n := range s.Reasons {
		out[orUnknown(reason)] += n
	}
	return out
}

type shortcoming struct {
	Host  name   `json:"host"`
	Files []name `json:"files"`
	What  name   `json:"what"`
}

func remarks(r *Recording) []string {
	return r.Remarks(func(w ktime.Wall) string { return w.Time().Format(time.RFC3339Nano) })
}

func (s *Summary) lines(of func(*Recording) []string) []shortcoming {
	out := []shortcoming{}
	for i := range s.Recordings {
		r := &s.Recordings[i]
		files := make([]name, len(r.Files))
		for i, file := range r.Files {
			files[i] = name(file)
		}
		for _, line := range of(r) {
			out = append(out, shortcoming{name(r.Host), files, name(line)})
		}
	}
	return out
}
