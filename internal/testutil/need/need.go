// Package need skips tests where a condition outside the project is not met, and says
// why. It depends on nothing of the project, so that every package's tests can use it.
package need

import (
	"os"
	"slices"
	"strings"
	"testing"
)

// strict is set in CI, where what is missing is a failure and not a skip.
const strict = "PORTTRACE_TEST_REQUIRE_BPF"

// lacks lists, in a guest of the kernel matrix, what cannot be there: how needs begin
// that may be skipped in spite of strict, with semicolons.
const lacks = "PORTTRACE_TEST_LACKS"

// That skips the test unless ok; with PORTTRACE_TEST_REQUIRE_BPF=1 it fails instead.
func That(t testing.TB, ok bool, what string) {
	t.Helper()
	if ok {
		return
	}
	if os.Getenv(strict) == "1" && !isLacked(what) {
		t.Fatalf("%s=1 and this is missing: %s", strict, what)
	}
	t.Skipf("needs %s", what)
}

func isLacked(what string) bool {
	return slices.ContainsFunc(strings.Split(os.Getenv(lacks), ";"), func(l string) bool {
		return l != "" && strings.HasPrefix(what, l)
	})
}

// Root is That for tests that need uid 0.
func Root(t testing.TB, why string) {
	t.Helper()
	That(t, os.Geteuid() == 0, "root: "+why)
}
