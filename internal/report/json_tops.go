package report

import (
	"encoding/json"
	"strconv"
	"time"

	"porttrace/internal/party"
	"porttrace/internal/recording"
)

// tallyObject is what all rows of top tables have.
type tallyObject struct {
	Holds     uint64   `json:"holds"`
	HeldNS    wholeNS  `json:"held_ns"`
	Share     *float64 `json:"share"`           // of all port time
	TimeWait  *float64 `json:"time_wait_share"` // of the row's port time whose states are known
	WaitingNS wholeNS  `json:"time_wait_ns"`
	Failures  uint64   `json:"failures"`
}

func (s *Summary) tally(t *Tally) tallyObject {
	o := tallyObject{Holds: t.Holds, HeldNS: wholeNS(t.Held), WaitingNS: wholeNS(t.TimeWait), Failures: t.Failures}
	if s.All.Held > 0 {
		share := float64(t.Held / s.All.Held)
		o.Share = &share
	}
	if share, ok := t.TimeWaitShare(); ok {
		o.TimeWait = &share
	}
	return o
}

type processObject struct {
	Host      name     `json:"host"`
	PID       number32 `json:"pid"`
	Comm      name     `json:"comm"`
	UID       *uint32  `json:"uid"`
	Container name     `json:"container"`
	placeObject
	tallyObject
}

type programObject struct {
	Host      name `json:"host"`
	Comm      name `json:"comm"`
	Container name `json:"container"`
	tallyObject
}

type destinationObject struct {
	Host    name     `json:"host"`
	NetNS   number32 `json:"netns"` // of a loopback address
	Proto   string   `json:"proto"`
	Dst     address  `json:"dst"`
	DstPort number32 `json:"dst_port"`
	tallyObject
}

type pathObject struct {
	Path  name   `json:"path"`
	Proto string `json:"proto"`
	tallyObject
}

type topObject struct {
	Processes    []processObject     `json:"processes"`
	Destinations []destinationObject `json:"destinations"`
	Paths        []pathObject        `json:"paths"`
	Programs     []programObject     `json:"programs"`
	groupsObject
	// MissingNS is the most that a row may lack where there were too many to keep.
	MissingNS map[string]time.Duration `json:"missing_ns"`
}

func (s *Summary) topObject() topObject {
	o := topObject{
		Processes: []processObject{}, Destinations: []destinationObject{}, Paths: []pathObject{}, Programs: []programObject{},
		MissingNS: map[string]time.Duration{
			"processes": s.Processes.Slack, "destinations": s.Destinations.Slack, "programs": s.Programs.Slack,
		},
	}
	if s.By != party.Process {
		o.groupsObject = s.groups()
		o.MissingNS[s.By.Plural()] = s.Groups.Slack
	}
	for _, r := range s.Processes.Rows {
		k, place := r.Key, r.Place()
		o.Processes = append(o.Processes, processObject{
			name(k.Host), number32(k.PID), name(k.Comm), uidOf(k.PID, k.UID), name(k.Container),
			placeOf(&place), s.tally(&r.Tally)})
	}
	for _, r := range s.Destinations.Rows {
		k := r.Key
		o.Destinations = append(o.Destinations, destinationObject{
			name(k.Host), number32(k.NetNS), k.Proto.String(), address(k.Dst.Addr()), number32(k.Dst.Port()), s.tally(&r.Tally)})
	}
	for _, r := range s.Ways.Rows {
		o.Paths = append(o.Paths, pathObject{name(r.Key.Path.String()), r.Key.Proto.String(), s.tally(&r.Tally)})
	}
	for _, r := range s.Programs.Rows {
		k := r.Key
		o.Programs = append(o.Programs, programObject{name(k.Host), name(k.Comm), name(k.Container), s.tally(&r.Tally)})
	}
	return o
}

// groupsObject is the table by another level than processes. One is not nil, if any.
type groupsObject struct {
	Exes       []groupObject `json:"exes,omitzero"`
	Units      []groupObject `json:"units,omitzero"`
	Containers []groupObject `json:"containers,omitzero"`
	Pods       []groupObject `json:"pods,omitzero"`
	Users      []groupObject `json:"users,omitzero"`
	NetNS      []groupObject `json:"netns,omitzero"`
}

func (s *Summary) groups() (o groupsObject) {
	rows := []groupObject{}
	for _, r := range s.Groups.Rows {
		rows = append(rows, groupObject{name(r.Key.Host), s.By.Fields(r.Key.Key, r.Label), s.tally(&r.Tally)})
	}
	*map[party.Level]*[]groupObject{
		party.Exe: &o.Exes, party.Unit: &o.Units, party.Container: &o.Containers,
		party.Pod: &o.Pods, party.User: &o.Users, party.NetNS: &o.NetNS,
	}[s.By] = rows
	return o
}

type groupObject struct {
	host   name
	fields []party.Field
	tally  tallyObject
}

// MarshalJSON implements json.Marshaler. Of the group of those that have none, all
// fields are null.
func (g groupObject) MarshalJSON() ([]byte, error) {
	host, err := g.host.MarshalJSON()
	if err != nil {
		return nil, err
	}
	tally, err := json.Marshal(g.tally)
	if err != nil {
		return nil, err
	}
	out := append([]byte(`{"host":`), host...)
	for _, f := range g.fields {
		out = append(append(append(out, `,"`...), f.Name...), `":`...)
		if f.IsNumber && f.IsKnown {
			out = strconv.AppendUint(out, uint64(f.Number), 10)
		} else {
			out = recording.AppendText(out, f.Text)
		}
	}
	return append(append(out, ','), tally[1:]...), nil // without its brace
}
