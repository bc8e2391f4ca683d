//go:build linux

package main

import (
	"cmp"
	"runtime"
	"runtime/debug"
	"strconv"
	"strings"
	"time"
)

// A release build sets these: -ldflags "-X main.version=v1.2.3 -X main.commit=2f9c…
// -X main.date=1764000000". The date is the commit's, in seconds since 1970, so that the
// same source makes the same bytes at any time.
var version, commit, date string

// build is where this program comes from. What is not known is zero.
type build struct {
	version string // "devel" where the build does not know
	commit  string
	changed bool // since the commit
	date    time.Time
}

// thisBuild returns what the linker was told, or else what the go command noted of the
// version control that the source was in.
func thisBuild() build {
	b := build{version: version, commit: commit}
	if seconds, err := strconv.ParseInt(date, 10, 64); err == nil {
		b.date = time.Unix(seconds, 0).UTC()
	}
	if info, ok := debug.ReadBuildInfo(); ok {
		b.fill(info)
	}
	b.version = cmp.Or(b.version, "devel")
	return b
}

func (b *build) fill(info *debug.BuildInfo) {
	if info.Main.Version != "(devel)" {
		b.version = cmp.Or(b.version, info.Main.Version)
	}
	if b.commit != "" {
		return
	}
	for _, s := range info.Settings {
		switch s.Key {
		case "vcs.revision":
			b.commit = s.Value
		case "vcs.modified":
			b.changed = s.Value == "true"
		case "vcs.time":
			if t, err := time.Parse(time.RFC3339, s.Value); err == nil && b.date.IsZero() {
				b.date = t.UTC()
			}
		}
	}
}

// versionName returns the version as recordings have it.
func versionName() string { return thisBuild().version }

// versionLine returns the answer to --version.
func versionLine() string {
	b := thisBuild()
	words := []string{"porttrace", b.version, runtime.GOOS + "/" + runtime.GOARCH, runtime.Version()}
	if b.commit != "" {
		words = append(words, "commit", b.commit)
	}
	if b.changed {
		words = append(words, "with changes")
	}
	if !b.date.IsZero() {
		words = append(words, "of", b.date.Format(time.RFC3339))
	}
	return strings.Join(words, " ") + "\n"
}
