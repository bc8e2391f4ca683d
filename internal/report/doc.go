// Package report answers from recordings, after the fact, who held the ports, how long, in
// which states, and what could not be had. A Collector is a pipeline.Sink that keeps
// fixed-size figures, never the holds themselves but for those of ports asked for by
// number, so that a recording of any length fits; Inputs is the pipeline.Source of several
// files.
//
// What is exact: all counts, sums of port time, shares, and maxima. Percentiles are within
// 1 % (HDR histograms of two significant digits, nearest rank). The top tables are exact
// until a host has more rows than they keep; what then leaves them is counted in a row of
// its own, and Table.Slack bounds what a row that came back may lack.
//
// A hold that was not over when the recording, or the time asked for, ended counts as far
// as it got; so does one from before, from when it was first seen. A report from one moment
// to another is that of a trace that had run just then: see window.
package report
