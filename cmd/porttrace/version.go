//go:build linux

package main

import (
	"runtime"
	"runtime/debug"
	"strings"
)

// version is set by a release build: -ldflags "-X main.version=v1.2.3".
var version string

// versionName returns the version as recordings and --version name it, "devel" where the
// build does not know.
func versionName() string {
	if version != "" {
		return version
	}
	info, ok := debug.ReadBuildInfo()
	if !ok || info.Main.Version == "" || info.Main.Version == "(devel)" {
		return "devel"
	}
	return info.Main.Version
}

// versionLine returns the answer to --version.
func versionLine() string {
	words := []string{"porttrace", versionName(), runtime.GOOS + "/" + runtime.GOARCH, runtime.Version()}
	return strings.Join(words, " ") + "\n"
}
