package check

import (
	"cmp"
	"encoding/json"
	"fmt"
	"io"
	"strconv"

	"porttrace/internal/event"
	"porttrace/internal/pool"
	"porttrace/internal/recording"
	"porttrace/internal/terminal"
)

// ownersTold is how many owners a pool has in JSON, at most.
const ownersTold = 10

// The object that --format json writes (DESIGN.md, 3), in that order.
type document struct {
	Time  string    `json:"time"` // as in recordings
	Level string    `json:"level"`
	Pools []poolDoc `json:"pools"`
	Port  *portDoc  `json:"port,omitempty"`
}

type poolDoc struct {
	NetNS   uint32         `json:"netns"`
	Proto   string         `json:"proto"`
	Kind    string         `json:"kind"`
	Src     string         `json:"src"`
	Dst     *string        `json:"dst"`
	DstPort *uint16        `json:"dst_port"`
	InUse   int            `json:"in_use"`
	Usable  int            `json:"usable"`
	Percent float64        `json:"percent"`
	States  map[string]int `json:"states"`
	Owners  []ownerDoc     `json:"owners"`
}

// ownerDoc has also the fields of its place that records have.
type ownerDoc struct{ *terminal.OwnerCount }

// MarshalJSON implements json.Marshaler.
func (d ownerDoc) MarshalJSON() ([]byte, error) {
	out := []byte(`{"pid":null`)
	if d.PID != 0 {
		out = strconv.AppendUint([]byte(`{"pid":`), uint64(d.PID), 10)
	}
	out = recording.AppendText(append(out, `,"comm":`...), d.Comm)
	out = strconv.AppendInt(append(out, `,"count":`...), int64(d.Count), 10)
	return append(recording.AppendPlace(out, d.Place.Value()), '}'), nil
}

type portDoc struct {
	Port     uint16            `json:"port"`
	Class    string            `json:"class"`
	Service  *string           `json:"service"`
	InRange  *bool             `json:"in_range"`
	Reserved *bool             `json:"reserved"`
	Holds    []json.RawMessage `json:"holds"`
}

// WriteJSON writes the result as one line.
func (r *Result) WriteJSON(w io.Writer) error {
	d := document{
		Time:  r.Time.UTC().Format("2006-01-02T15:04:05.000000000Z"),
		Level: r.Level.String(),
		Pools: make([]poolDoc, 0, len(r.Pools.Pools)),
	}
	for i := range r.Pools.Pools {
		d.Pools = append(d.Pools, docOfPool(&r.Pools.Pools[i]))
	}
	if r.Port != nil {
		d.Port = docOfPort(r.Port, r.Home)
	}
	encoder := json.NewEncoder(w)
	encoder.SetEscapeHTML(false)
	if err := encoder.Encode(d); err != nil {
		return fmt.Errorf("writing JSON: %w", err)
	}
	return nil
}

func docOfPool(p *terminal.PoolAnswer) poolDoc {
	d := poolDoc{
		NetNS: p.NetNS, Proto: p.Proto.String(), Kind: "bind", Src: p.Src.String(),
		InUse: p.InUse, Usable: p.Usable, Percent: pool.Use{InUse: p.InUse, Usable: p.Usable}.Percent(),
		States: map[string]int{}, Owners: []ownerDoc{},
	}
	if p.Dst.IsValid() {
		dst, port := p.Dst.Addr().String(), p.Dst.Port()
		d.Kind, d.Dst, d.DstPort = "connect", &dst, &port
	}
	for state, n := range p.States {
		if n > 0 {
			d.States[event.State(state).String()] = n
		}
	}
	for i := range p.Owners[:min(len(p.Owners), ownersTold)] {
		d.Owners = append(d.Owners, ownerDoc{&p.Owners[i]})
	}
	return d
}

// docOfPort says of one namespace, home, whether the kernel may choose the port; the holds
// are those in all of them.
func docOfPort(a *terminal.PortAnswer, home uint32) *portDoc {
	d := &portDoc{Port: a.Port, Class: a.Class, Holds: []json.RawMessage{}}
	if service := cmp.Or(a.TCPService, a.UDPService); service != "" {
		d.Service = &service
	}
	for i := range a.Namespaces {
		n := &a.Namespaces[i]
		if n.NetNS == home {
			d.InRange, d.Reserved = &n.InRange, &n.Reserved
		}
		for j := range n.Holders {
			d.Holds = append(d.Holds, recording.AppendHold(nil, &n.Holders[j]))
		}
	}
	return d
}
