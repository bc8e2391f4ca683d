//go:build linux

package main

import (
	"errors"
	"strings"
	"time"
	"unicode"

	"porttrace/internal/filter"
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
	NetNS      uint32
	Holds      filter.Filter
	FilterText string // the filter flags in canonical form, for the recording

	Output   string // file to create, "-" for standard output, "" for no recording
	Show     display
	Columns  []string      // of the table, by name; nil: the usual ones
	More     []string      // columns beside the usual ones
	States   bool          // state records
	Duration time.Duration // 0: until a signal

	RotateSize int64 // bytes; 0: the recording is one file
	RotateKeep int   // older parts; 0: all

	Hooks      string // "auto", "fentry" or "stable"
	BufferSize int    // bytes, as the kernel takes them
	MaxHolds   int
	MaxCPU     int // percent of one CPU; 0: no limit
}

// config checks the flags against each other. now names the default recording.
func (t *traceFlags) config(now time.Time) (traceConfig, error) {
	named := !t.ports.Empty()
	c := traceConfig{
		Ports:      t.ports,
		Explicit:   t.explicit || named,
		TCP:        t.tcp(),
		UDP:        t.udp(),
		IPv4:       t.ipv4(),
		IPv6:       t.ipv6(),
		NetNS:      t.netns.Inode(),
		Holds:      t.holdFilter(),
		FilterText: filterText(t.filters),
		States:     t.states || named,
		Duration:   time.Duration(t.duration),
		Hooks:      t.hooks.String(),
		BufferSize: int(t.buffer),
		MaxHolds:   t.holds.Int(),
		Columns:    t.columns.Only(),
		More:       t.columns.More(),
		MaxCPU:     t.cpu.Int(),
		RotateSize: int64(t.rotate),
		RotateKeep: t.keep.Int(),
	}
	if err := t.checkFamilies(); err != nil {
		return traceConfig{}, err
	}
	c.setOutput(t, now)
	if t.columns.String() != "" && c.Show != showTable {
		return traceConfig{}, errors.New("--columns: there is no table to have them: drop it, or what takes the table's place")
	}
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
