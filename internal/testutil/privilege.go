// Package testutil is what tests on the real kernel share: privileges, network
// namespaces, sockets, and skips that cannot lie.
package testutil

import (
	"os"
	"testing"

	"porttrace/internal/probe"
	"porttrace/internal/testutil/need"
)

// NeedBPF skips the test where the hooks cannot work, saying why; in CI it fails.
func NeedBPF(t testing.TB) {
	t.Helper()
	if err := probe.Preflight(Hooks(t)); err != nil {
		need.That(t, false, "hooks that work: "+err.Error())
	}
}

// hookSet names the environment variable that says which hooks the tests are to trace with:
// auto, fentry or stable.
const hookSet = "PORTTRACE_TEST_HOOKS"

// Hooks is the set of hooks that the tests are to trace with.
func Hooks(t testing.TB) probe.Set {
	t.Helper()
	switch set := probe.Set(os.Getenv(hookSet)); set {
	case "":
		return probe.Auto
	case probe.Auto, probe.Fentry, probe.Stable:
		return set
	default:
		t.Fatalf("%s=%s: want auto, fentry or stable", hookSet, set)
		return ""
	}
}

// Need skips the test where a condition outside the project is not met; in CI it fails.
func Need(t testing.TB, ok bool, what string) {
	t.Helper()
	need.That(t, ok, what)
}
