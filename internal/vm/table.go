package main

import (
	"fmt"
	"io"
	"slices"
	"strings"
	"text/tabwriter"
	"time"
)

// printMatrix writes the matrix: the table, why tests were skipped, and what failed. It says
// whether all is well.
func printMatrix(w io.Writer, results []*result) (well bool) {
	table := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	fmt.Fprintln(table, "KERNEL\tARCH\tHOOKS\tPACKAGE\tPASSED\tFAILED\tSKIPPED\tGUEST TIME\t")
	passed, failed, skipped := 0, 0, 0
	for _, r := range results {
		p, f, s := r.count("pass"), r.count("fail"), r.count("skip")
		if len(r.trouble) > 0 {
			f++ // it is no test's, and a failure
		}
		passed, failed, skipped = passed+p, failed+f, skipped+s
		fmt.Fprintf(table, "%s\t%s\t%s\t%s\t%d\t%d\t%d\t%v\t\n",
			r.guest.kernel.version, r.guest.kernel.arch, r.guest.hooks, r.name, p, f, s, r.took.Round(time.Second/10))
	}
	table.Flush()
	printSkips(w, results)
	for _, r := range results {
		if r.said != "" {
			fmt.Fprintf(w, "\n%v said:\n%s\n", r.guest, indent(r.said))
		}
		printFailures(w, r)
	}
	fmt.Fprintf(w, "\n%d passed, %d failed, %d skipped\n", passed, failed, skipped)
	return failed == 0 && (passed > 0 || isCommand(results)) // a -run that matches nothing proves nothing
}

func isCommand(results []*result) bool {
	return len(results) > 0 && results[0].name == command.name
}

// printSkips lists each reason with where and what it kept from running.
func printSkips(w io.Writer, results []*result) {
	var reasons []string
	where := map[string][]string{}
	what := map[string][]string{}
	for _, r := range results {
		for _, t := range r.tests {
			if t.verdict != "skip" {
				continue
			}
			why := reason(t.output)
			if !slices.Contains(reasons, why) {
				reasons = append(reasons, why)
			}
			what[why] = addOnce(what[why], r.name+"."+t.name)
			where[why] = addOnce(where[why], r.guest.String())
		}
	}
	for i, why := range reasons {
		if i == 0 {
			fmt.Fprint(w, "\nSkipped:\n")
		}
		fmt.Fprintf(w, "  %s\n    %s\n    on %s\n", why, strings.Join(what[why], ", "), strings.Join(where[why], "; "))
	}
}

func addOnce(list []string, s string) []string {
	if slices.Contains(list, s) {
		return list
	}
	return append(list, s)
}

// reason is what a skipped test said, without the place in the source.
func reason(output string) string {
	for line := range strings.Lines(output) {
		line = strings.TrimSpace(line)
		if line == "" || strings.HasPrefix(line, "=== ") || strings.HasPrefix(line, "--- ") {
			continue
		}
		if _, said, ok := strings.Cut(line, ".go:"); ok {
			_, line, _ = strings.Cut(said, ": ")
		}
		return line
	}
	return "no reason given"
}

func printFailures(w io.Writer, r *result) {
	head := fmt.Sprintf("%v %s", r.guest, r.name)
	for _, t := range r.tests {
		if t.verdict == "fail" {
			fmt.Fprintf(w, "\nFAILED on %s: %s\n%s\n", head, t.name, indent(ends(t.output)))
		}
	}
	if len(r.trouble) > 0 {
		fmt.Fprintf(w, "\nFAILED on %s: %s\n%s\n", head, strings.Join(r.trouble, "; "), indent(r.tail))
	}
}

func indent(text string) string { return "    " + strings.ReplaceAll(text, "\n", "\n    ") }
