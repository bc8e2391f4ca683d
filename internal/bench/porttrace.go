package main

import (
	"bufio"
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"os"
	"os/exec"
	"slices"
	"strings"
	"time"

	"porttrace/internal/probe"
)

// porttrace with one of its hook sets.
func porttrace(path, set string) contender {
	name := "porttrace"
	if set != string(probe.Auto) {
		name += " " + set
	}
	return contender{
		name: name,
		own:  true,
		command: func(output string) *exec.Cmd {
			return exec.Command(path, "-q", "--hooks", set, "-o", output)
		},
		ready: func(t *tracer) error {
			return t.await("ready", func() bool { return t.heard("porttrace: tracing") })
		},
		idle: func(*tracer) error { return nil }, // it drains its ring when stopped
		account: func(output *os.File, said []string, storm outcome) (account, error) {
			book, err := readRecording(output, storm.ground)
			if err != nil {
				return account{}, err
			}
			a := book.account(storm)
			if a.lost > 0 {
				a.notes = append(a.notes, complaints(said)...)
			}
			return a, nil
		},
		sightings: readSightings,
	}
}

// complaints are what it said of losses, and why.
func complaints(said []string) (list []string) {
	for _, text := range said {
		if text, ok := strings.CutPrefix(text, "porttrace: lost "); ok {
			list = append(list, "lost "+text)
		}
	}
	return list
}

// book is what a recording says about the storm's namespace.
type book struct {
	size      uint64            // bytes of the lines about it
	assigned  map[string]uint64 // by path
	released  uint64
	held      uint64 // at the end
	strangers uint64 // owned by none of the clients
	failures  uint64
	hidden    uint64
	end       *record // of the whole recording; nil: it breaks off
}

// record has the fields of the recording's lines that matter here.
type record struct {
	Type     string        `json:"type"`
	At       string        `json:"at"`
	NetNS    uint64        `json:"netns"`
	Proto    string        `json:"proto"`
	Port     int           `json:"port"`
	Src      string        `json:"src"`
	Path     string        `json:"path"`
	PID      int           `json:"pid"`
	Held     time.Duration `json:"held_ns"`
	Lost     uint64        `json:"lost"`
	Events   uint64        `json:"events"`
	Where    string        `json:"where"`
	Missed   uint64        `json:"discrepancies"`
	Complete bool          `json:"complete"`
}

func readRecording(recording io.Reader, g ground) (book, error) {
	b := book{assigned: map[string]uint64{}}
	err := eachRecord(recording, func(r record, bytes int) {
		if r.NetNS == g.NetNS {
			b.size += uint64(bytes)
		}
		b.add(r, g)
	})
	return b, err
}

func eachRecord(recording io.Reader, do func(r record, bytes int)) error {
	lines := bufio.NewScanner(recording)
	lines.Buffer(nil, 16<<20) // the first line lists every namespace
	for n := 1; lines.Scan(); n++ {
		var r record
		if err := json.Unmarshal(lines.Bytes(), &r); err != nil {
			return fmt.Errorf("porttrace's recording, line %d: %w", n, err)
		}
		do(r, len(lines.Bytes())+1)
	}
	if err := lines.Err(); err != nil {
		return fmt.Errorf("reading porttrace's recording: %w", err)
	}
	return nil
}

// hooksOf reads which hook set a recording was made with.
func hooksOf(recording io.Reader) (probe.Set, error) {
	var start struct{ Hooks probe.Set }
	if err := json.NewDecoder(recording).Decode(&start); err != nil {
		return "", fmt.Errorf("porttrace's recording, line 1: %w", err)
	}
	return start.Hooks, nil
}

// readSightings finds what the recording tells of the arena's namespace.
func readSightings(recording io.Reader, g ground, tell seen) error {
	return eachRecord(recording, func(r record, bytes int) {
		s := sighting{
			pid: r.PID, udp: r.Proto == "udp", v6: strings.Contains(r.Src, ":"), port: r.Port,
			begins: r.Type == "assign", ends: r.Type == "release", held: r.Held,
		}
		if r.NetNS == g.NetNS && (s.begins || s.ends) {
			tell(s, bytes)
		}
	})
}

func (b *book) add(r record, g ground) {
	switch {
	case r.Type == "end":
		b.end = &r
	case r.Type == "lost" && r.Where == "hidden":
		b.hidden += r.Events
	}
	if r.NetNS != g.NetNS {
		return
	}
	switch r.Type {
	case "assign":
		b.assigned[r.Path]++
		if !slices.Contains(g.Clients, r.PID) {
			b.strangers++
		}
	case "release":
		b.released++
	case "failure":
		b.failures++
	case "held":
		b.held++ // none was there before the start
	}
}

// account compares the recording with what the storm did.
func (b *book) account(storm outcome) account {
	a := account{expected: storm.made()}
	note := func(format string, args ...any) { a.notes = append(a.notes, fmt.Sprintf(format, args...)) }
	paths := maps.Clone(b.assigned)
	maps.Copy(paths, storm.Made)
	for _, path := range slices.Sorted(maps.Keys(paths)) {
		n, want := b.assigned[path], storm.Made[path]
		a.recorded += n
		if n != want {
			note("%s assigns by %s, the storm made %s", thousands(n), path, thousands(want))
		}
	}
	if a.recorded > 0 {
		a.perRecord = b.size / a.recorded
	}
	if sum := b.released + b.held; sum != a.recorded {
		note("%s assigned but %s released and %s held", thousands(a.recorded), thousands(b.released), thousands(b.held))
	}
	if b.strangers > 0 {
		note("%s assigns do not name their client", thousands(b.strangers))
	}
	if b.failures > 0 {
		note("%s failures recorded", thousands(b.failures))
	}
	switch {
	case b.end == nil:
		note("no end record")
	case !b.end.Complete && (b.end.Lost != b.hidden || b.end.Missed > 0):
		note("end record says: not complete, %s lost and %s missed on the whole host", thousands(b.end.Lost), thousands(b.end.Missed))
	}
	if b.end != nil {
		a.lost, a.hidden = b.end.Lost-min(b.end.Lost, b.hidden), b.hidden
	}
	return a
}
