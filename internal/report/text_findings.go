package report

import (
	"cmp"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"
	"time"

	"porttrace/internal/diagnose"
	"porttrace/internal/pool"
	"porttrace/internal/terminal"
)

var severityColor = map[diagnose.Severity]string{
	diagnose.Critical: red, diagnose.Warning: yellow, diagnose.Info: bold,
}

func (t *text) findings() {
	note := ""
	if t.opts.Narrowed != "" {
		note = "of all processes, ports and addresses: they share the pools"
	}
	t.section("Findings", note)
	if len(t.Findings) == 0 {
		t.WriteString("  none\n")
	}
	for i := range t.Findings {
		t.finding(&t.Findings[i])
	}
}

func (t *text) finding(f *Found) {
	t.printf("  %s %s: %s\n", t.paint(severityColor[f.Severity], f.Severity.String()), f.ID, terminal.EscapeText(f.Title))
	line := func(name, value string) { t.printf("    %-8s  %s\n", name, value) }
	if t.hosts {
		line("host", hostName(f.Host))
	}
	if f.Pool != nil {
		line("pool", poolName(f.Pool))
	}
	if len(f.Because) > 0 {
		ids := make([]string, len(f.Because))
		for i, id := range f.Because {
			ids[i] = string(id)
		}
		line("because", strings.Join(ids, ", "))
	}
	if o := f.Culprit; o != nil {
		place := o.Place.Value()
		culprit := terminal.Owner(o)
		if in := terminal.Place(&place); in != "" {
			culprit += ", " + in
		}
		line("culprit", culprit)
	}
	if len(f.Evidence) > 0 {
		numbers := make([]string, len(f.Evidence))
		for i, n := range f.Evidence {
			numbers[i] = n.Name + " " + number(n)
		}
		line("evidence", terminal.EscapeText(strings.Join(numbers, ", ")))
	}
	if f.Remedy != "" {
		line("remedy", terminal.EscapeText(f.Remedy))
	}
}

func poolName(k *pool.Key) string {
	name := fmt.Sprintf("%s from %s", k.Proto, terminal.Addr(k.Src))
	if k.Dst.IsValid() {
		name += " to " + terminal.AddrPort(k.Dst)
	}
	return fmt.Sprintf("%s, netns %d", name, k.NetNS)
}

// number writes a number of an evidence in the unit that its name tells.
func number(n diagnose.Number) string {
	switch name, isTime := strings.CutSuffix(n.Name, "_ns"); {
	case isTime && name != "":
		return terminal.Duration(time.Duration(n.Value))
	case strings.HasSuffix(n.Name, "_percent"):
		return strconv.FormatFloat(n.Value, 'f', 1, 64) + " %"
	case n.Value == float64(int64(n.Value)):
		return strconv.FormatInt(int64(n.Value), 10)
	}
	return strconv.FormatFloat(n.Value, 'f', 1, 64)
}

// counts writes "closed 12, reset 3", the most first.
func counts(of map[string]uint64) string {
	names := slices.SortedFunc(maps.Keys(of), func(a, b string) int {
		return cmp.Or(cmp.Compare(of[b], of[a]), strings.Compare(a, b))
	})
	for i, name := range names {
		names[i] = fmt.Sprintf("%s %d", cmp.Or(name, "for an unknown reason"), of[name])
	}
	return strings.Join(names, ", ")
}
