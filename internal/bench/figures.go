package main

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"
)

// counts is a list of numbers above 0, as a flag.
type counts []int

func (c counts) String() string {
	words := make([]string, len(c))
	for i, n := range c {
		words[i] = strconv.Itoa(n)
	}
	return strings.Join(words, ",")
}

// Set replaces the list.
func (c *counts) Set(text string) error {
	var list counts
	for word := range strings.SplitSeq(text, ",") {
		n, err := strconv.Atoi(strings.TrimSpace(word))
		if err != nil || n < 1 {
			return fmt.Errorf("%q is not a number above 0", word)
		}
		list = append(list, n)
	}
	*c = list
	return nil
}

// median of an even number of values is the mean of the middle two; of none it is 0.
func median(values []float64) float64 {
	if len(values) == 0 {
		return 0
	}
	sorted := slices.Sorted(slices.Values(values))
	mid := len(sorted) / 2
	if len(sorted)%2 == 1 {
		return sorted[mid]
	}
	return (sorted[mid-1] + sorted[mid]) / 2
}

// ratios divides round by round: what slows a whole round down cancels out. A round
// without both values is left out.
func ratios(of, to []float64) []float64 {
	var list []float64
	for i := range min(len(of), len(to)) {
		if to[i] > 0 {
			list = append(list, of[i]/to[i])
		}
	}
	return list
}

// perMillion is seconds of CPU time for a million of n things done; for none it is 0.
func perMillion(cpu time.Duration, n uint64) float64 {
	if n == 0 {
		return 0
	}
	return cpu.Seconds() * 1e6 / float64(n)
}

// thousands writes a number the way people read it: 23,500.
func thousands(n uint64) string {
	digits := strconv.FormatUint(n, 10)
	for i := len(digits) - 3; i > 0; i -= 3 {
		digits = digits[:i] + "," + digits[i:]
	}
	return digits
}

// netstat finds a counter in /proc/net/netstat, where a line of names precedes each
// line of numbers. One that this kernel does not have is 0.
func netstat(text, name string) uint64 {
	lines := strings.Split(text, "\n")
	for i := 0; i+1 < len(lines); i += 2 {
		names, values := strings.Fields(lines[i]), strings.Fields(lines[i+1])
		if at := slices.Index(names, name); at >= 0 && at < len(values) {
			n, _ := strconv.ParseUint(values[at], 10, 64) // 0 if it is no number
			return n
		}
	}
	return 0
}
