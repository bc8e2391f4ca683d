// Package testutil is what tests on the real kernel share: privileges, network
// namespaces, sockets, and skips that cannot lie.
package testutil

import (
	"testing"

	"porttrace/internal/probe"
	"porttrace/internal/testutil/need"
)

// NeedBPF skips the test where the hooks cannot work, saying why; in CI it fails.
func NeedBPF(t testing.TB) {
	t.Helper()
	if err := probe.Preflight(); err != nil {
		need.That(t, false, "hooks that work: "+err.Error())
	}
}

// Need skips the test where a condition outside the project is not met; in CI it fails.
func Need(t testing.TB, ok bool, what string) {
	t.Helper()
	need.That(t, ok, what)
}
