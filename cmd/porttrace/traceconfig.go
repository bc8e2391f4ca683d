//go:build linux

package main

import (
	"errors"
	"fmt"
	"net/netip"
	"slices"
	"strings"
	"time"
	"unicode"

	"github.com/spf13/pflag"

	"porttrace/internal/event"
	"porttrace/internal/flagvalue"
)

// display is what standard output shows besides a recording that goes there.
type display uint8

const (
	showNothing display = iota
	showTable
	showJSON
)

// traceConfig is what to trace and where it goes, in plain values. Empty lists and
// zeros let everything through.
type traceConfig struct {
	Ports      flagvalue.Ports
	Explicit   bool // explicit holds too: of Ports where it is not empty, else of all
	TCP, UDP   bool // at least one
	IPv4, IPv6 bool // at least one
	PIDs       []uint32
	Comms      []string
	UIDs       []uint32
	NetNS      uint32
	Dst        []flagvalue.Destination
	Src        []netip.Prefix
	FilterText string // the filter flags in canonical form, for the recording

	Output   string // file to create, "-" for standard output, "" for no recording
	Show     display
	States   bool          // state records
	Duration time.Duration // 0: until a signal

	RotateSize int64 // bytes; 0: the recording is one file
	RotateKeep int   // older parts; 0: all

	Hooks      string // "auto", "fentry" or "stable"
	BufferSize int    // bytes, as the kernel takes them
	MaxHolds   int
}

// config checks the flags against each other. now names the default recording.
func (t *traceFlags) config(now time.Time) (traceConfig, error) {
	named := !t.ports.Empty()
	c := traceConfig{
		Ports:      t.ports,
		Explicit:   t.explicit || named,
		TCP:        t.protos.Empty() || t.protos.Contains(event.TCP),
		UDP:        t.protos.Empty() || t.protos.Contains(event.UDP),
		IPv4:       t.v4 || !t.v6,
		IPv6:       t.v6 || !t.v4,
		PIDs:       t.pids.List(),
		Comms:      t.comms.List(),
		UIDs:       t.uids.List(),
		NetNS:      t.netns.Inode(),
		Dst:        t.dst.List(),
		Src:        t.src.List(),
		FilterText: t.filterText(),
		States:     t.states || named,
		Duration:   time.Duration(t.duration),
		Hooks:      t.hooks.String(),
		BufferSize: int(t.buffer),
		MaxHolds:   t.holds.Int(),
		RotateSize: int64(t.rotate),
		RotateKeep: t.keep.Int(),
	}
	if err := c.checkFamilies(); err != nil {
		return traceConfig{}, err
	}
	c.setOutput(t, now)
	if err := c.checkRotation(); err != nil {
		return traceConfig{}, err
	}
	return c, nil
}

func (c *traceConfig) checkRotation() error {
	switch {
	case c.RotateKeep > 0 && c.RotateSize == 0:
		return errors.New("--rotate-keep: nothing rotates without --rotate-size: add it, or drop this")
	case c.RotateSize > 0 && (c.Output == "" || c.Output == "-"):
		return errors.New("--rotate-size: there is no file to rotate: name one with -o")
	}
	return nil
}

// checkFamilies refuses addresses that no socket of the families wanted can have.
func (c *traceConfig) checkFamilies() error {
	wanted := func(p netip.Prefix) bool { return p.Addr().Is4() && c.IPv4 || p.Addr().Is6() && c.IPv6 }
	flag := "-4"
	if c.IPv6 {
		flag = "-6"
	}
	if len(c.Src) > 0 && !slices.ContainsFunc(c.Src, wanted) {
		return fmt.Errorf("--src: no address of the family that %s wants: drop one of the two", flag)
	}
	if len(c.Dst) > 0 && !slices.ContainsFunc(c.Dst, func(d flagvalue.Destination) bool { return wanted(d.Prefix) }) {
		return fmt.Errorf("--dst: no address of the family that %s wants: drop one of the two", flag)
	}
	return nil
}

// setOutput decides what is written where, each thing once.
func (c *traceConfig) setOutput(t *traceFlags, now time.Time) {
	switch t.output {
	case "":
		c.Output = "porttrace-" + now.UTC().Format("20060102T150405Z") + ".jsonl"
	case "none":
	default:
		c.Output = string(t.output)
	}
	switch {
	case c.Output == "-": // the recording is what standard output shows
	case t.format.String() == "json":
		c.Show = showJSON
	case !t.quiet:
		c.Show = showTable
	}
}

// filterText returns the filter flags that were given, in canonical form.
func (t *traceFlags) filterText() string {
	var words []string
	t.filters.VisitAll(func(f *pflag.Flag) {
		name := dashed(f.Name)
		switch comms, isComms := f.Value.(*flagvalue.Comms); {
		case isComms:
			for _, comm := range comms.List() {
				words = append(words, name, shellWord(comm))
			}
		case f.Value.Type() == "bool":
			if f.Value.String() == "true" {
				words = append(words, name)
			}
		case f.Value.String() != "":
			words = append(words, name, shellWord(f.Value.String()))
		}
	})
	return strings.Join(words, " ")
}

// shellWord quotes what a shell would not take as one plain word.
func shellWord(s string) string {
	plain := func(r rune) bool {
		return unicode.IsLetter(r) || unicode.IsDigit(r) || strings.ContainsRune("-_./:,@%+=", r)
	}
	if s != "" && !strings.ContainsFunc(s, func(r rune) bool { return !plain(r) }) {
		return s
	}
	return "'" + strings.ReplaceAll(s, "'", `'\''`) + "'"
}
