//go:build linux

package main

import (
	"errors"
	"io"

	"github.com/spf13/pflag"

	"porttrace/internal/diagnose"
	"porttrace/internal/flagvalue"
	"porttrace/internal/page"
	"porttrace/internal/party"
	"porttrace/internal/pipeline"
	"porttrace/internal/report"
)

// reportFlags is the command line of porttrace report.
type reportFlags struct {
	filters *pflag.FlagSet // those that say what the report is about

	ports flagvalue.Ports
	filterFlags
	since, until flagvalue.Moment

	by     flagvalue.Choice
	top    flagvalue.Count
	format reportFormat
	output flagvalue.File
}

func (s *reportFlags) bind(set *flagSet) {
	f := set.group("Filters (flags combine with and, the values of one flag with or)")
	s.filters = f
	f.VarP(&s.ports, "port", "p", "only these local ports, and the whole history of each: 60568 or 60000-60999,443")
	s.filterFlags.bind(f)
	f.Var(&s.since, "since", "from then on: 2026-11-23T20:15:00Z, 20:15 of the recording's day, or -10m before its end")
	f.Var(&s.until, "until", "until just before then")

	f = set.group("Output")
	s.by = flagvalue.NewChoice(party.Names()...)
	f.Var(&s.by, "by", "whose port time the first table adds up, and the page's port map shows")
	s.top = flagvalue.NewCount(1 << 12)
	_ = s.top.Set("10")
	f.Var(&s.top, "top", "rows of each table")
	s.format.Choice = flagvalue.NewChoice("text", "json", "html")
	f.Var(&s.format, "format", "text for people, json for programs, html for browsers")
	f.VarP(&s.output, "output", "o", "a new file for the report instead of standard output")

	set.group("Other")
}

// check refuses what is wrong whatever the files hold.
func (s *reportFlags) check(files []string) error {
	if len(files) == 0 {
		return errors.New("which recording? porttrace report FILE..., or - for standard input (see porttrace report --help)")
	}
	if err := s.checkFamilies(); err != nil {
		return err
	}
	return s.checkOutput()
}

// options are all but the times, which depend on the files.
func (s *reportFlags) options() report.Options {
	return report.Options{
		Scope: report.Scope{
			NetNS: s.netns.Inode(), NoTCP: !s.tcp(), NoUDP: !s.udp(), NoIPv4: !s.ipv4(), NoIPv6: !s.ipv6(),
		},
		Ports:  s.ports,
		Filter: s.holdFilter(),
		Top:    s.top.Int(),
		By:     party.LevelOf(s.by.String()),
	}
}

// reportFormat is the choice of what a report looks like.
type reportFormat struct{ flagvalue.Choice }

// writeReport writes a report as one format has it.
type writeReport func(io.Writer, *report.Summary) error

// writer returns what writes the report, and what has to see the records for it.
func (f *reportFormat) writer(e *env, s *reportFlags) (writeReport, []pipeline.Sink) {
	switch f.String() {
	case "json":
		return func(w io.Writer, sum *report.Summary) error { return sum.WriteJSON(w) }, nil
	case "html":
		return htmlReport(s)
	}
	_, isTerminal := e.terminal()
	options := report.TextOptions{
		Color:    isTerminal && s.output == "" && e.getenv("NO_COLOR") == "",
		Location: e.now().Location(),
		Narrowed: filterText(s.filters),
	}
	return func(w io.Writer, sum *report.Summary) error { return sum.WriteText(w, options) }, nil
}

// htmlReport returns the page's writer, and its collector as a sink.
func htmlReport(s *reportFlags) (writeReport, []pipeline.Sink) {
	c := page.New(page.Options{Version: versionName(), Filter: filterText(s.filters), By: party.LevelOf(s.by.String())})
	write := func(w io.Writer, sum *report.Summary) error {
		findings := make([]diagnose.Finding, len(sum.Findings))
		for i := range sum.Findings {
			findings[i] = sum.Findings[i].Finding
		}
		return c.WriteHTML(w, findings)
	}
	return write, []pipeline.Sink{c}
}
