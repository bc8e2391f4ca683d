// Package page makes one self-contained HTML page of recordings: how complete they are,
// findings, the use of pools over time, the port map (every port of a range × time), and
// tables. The Collector takes records in bounded memory whatever their number: time is cut
// into at most 480 bins, which double in width as the recording goes on.
//
// The page asks for nothing from anywhere, and runs no script and no style but its own
// (Content-Security-Policy by hash). What traced programs and hosts named themselves goes in
// as data and is shown as text.
package page
